package market

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"millrace/internal/twin/store"
)

// channel is a way to the web site.
type channel struct {
	name     string // default channel group
	source   string
	medium   string
	hubspot  string // hs_analytics_source
	landing  string
	campaign int // index, -1 none
	leads    int // weight among leads
	visits   int // weight among other visits
}

// The first four belong to the four campaigns.
var channels = []channel{
	{"Paid Search", "google", "cpc", "PAID_SEARCH", "/", 0, 10, 9},
	{"Paid Search", "google", "cpc", "PAID_SEARCH", "/alternatives", 1, 14, 15},
	{"Paid Social", "linkedin", "paid_social", "PAID_SOCIAL", "/enterprise", 2, 10, 7},
	{"Paid Social", "linkedin", "paid_social", "PAID_SOCIAL", "/trial", 3, 8, 6},
	{"Organic Search", "google", "organic", "ORGANIC_SEARCH", "/blog/revenue-data", -1, 26, 30},
	{"Direct", "(direct)", "(none)", "DIRECT_TRAFFIC", "/", -1, 16, 18},
	{"Referral", "partner.example", "referral", "REFERRALS", "/partners", -1, 9, 6},
	{"Email", "newsletter", "email", "EMAIL_MARKETING", "/pricing", -1, 7, 9},
}

// trueEffects of the campaigns: how many of their leads (permille) would not have come without them. Brand search is
// credited with much and causes little.
var trueEffects = []struct{ incremental int }{{150}, {600}, {800}, {250}}

func channelWeights() []int {
	w := make([]int, len(channels))
	for i, c := range channels {
		w[i] = c.leads
	}
	return w
}

// returning is the channel of a later visit: most come directly or by e-mail.
func returning(ch int) int { return []int{5, 7, 4, ch}[ch%4] }

func (c channel) query() string {
	q := "utm_source=" + c.source + "&utm_medium=" + c.medium
	if c.campaign >= 0 {
		q += "&utm_campaign=" + campaignNames[c.campaign].utm
	}
	return q
}

var campaignNames = []struct {
	name, utm, platform, kind string
	groups                    [2]string
	cpc                       int // cost of a click in cents
	ctr                       int // clicks per 10,000 impressions
}{
	{"Brand | Search | Global", "brand-search", "google", "SEARCH", [2]string{"Brand exact", "Brand phrase"}, 95, 900},
	{"Nonbrand | Alternatives | US+EU", "nonbrand-alternatives", "google", "SEARCH", [2]string{"Alternatives", "Comparisons"}, 620, 310},
	{"ABM Enterprise", "abm-enterprise", "linkedin", "", [2]string{"Heads of Data", "CROs"}, 1150, 60},
	{"Retargeting Trial", "retargeting-trial", "linkedin", "", [2]string{"Visitors 30 days", "Visitors 90 days"}, 480, 75},
}

func (s *Sim) setupMedia() {
	s.st.Ads.Customer, s.st.Ads.Currency, s.st.Ads.TimeZone = "4815162342", "USD", "Etc/UTC"
	s.st.Web.Property, s.st.Web.Currency, s.st.Web.TimeZone = "424242424", "USD", "Etc/UTC"
	for i, c := range campaignNames {
		s.st.Ads.Campaigns = append(s.st.Ads.Campaigns, store.Campaign{
			ID: 21_000_000_001 + int64(i), Name: c.name, Platform: c.platform, Channel: c.kind, Status: "ENABLED", UTM: c.utm,
			Source: channels[i].source, Medium: channels[i].medium, Start: s.at(-60, 10),
			Budget: int64(c.cpc) * 10_000 * int64(max(6, s.size.Leads/8)),
			Groups: []store.AdGroup{{ID: 150_000_000_001 + int64(2*i), Name: c.groups[0]}, {ID: 150_000_000_002 + int64(2*i), Name: c.groups[1]}},
		})
		s.Truth.Campaigns = append(s.Truth.Campaigns, CampaignTruth{Name: c.name, Incremental: trueEffects[i].incremental})
	}
	for i, name := range []string{"Request a demo", "Start a trial", "Newsletter"} {
		s.st.CRM.Forms = append(s.st.CRM.Forms, store.Form{ID: s.draw("form", i).uuid(), Name: name, Created: s.at(-history-20, 0)})
	}
	s.st.Audiences.Lists = []*store.UserList{
		{ID: "7700001", Name: "Millrace audience", Members: map[string]string{}},
		{ID: "7700002", Name: "Customers (exclusion)", Members: map[string]string{}},
	}
}

// Session is one visit of one person, as the event stream has it.
type Session struct {
	At       time.Time
	Person   int
	Anon     string
	Channel  int
	Pages    []string
	Identify string // address given in this visit
	UserID   string
}

type trafficKey struct {
	channel int
	landing string
	device  string
	country string
}

type trafficSum struct{ sessions, key, views, fresh, engaged int64 }

var pagePool = []string{"/pricing", "/features", "/integrations", "/docs", "/customers", "/security", "/blog/revenue-data", "/about"}

func (s *Sim) visit(p *person, anon string, day, ch int, d *draws) {
	pages := []string{channels[ch].landing}
	for range d.n(5) {
		pages = append(pages, pick(d, pagePool))
	}
	at := s.stamp(d, 6, 22)
	s.sessions = append(s.sessions, Session{At: at, Person: p.n, Anon: anon, Channel: ch, Pages: pages})
	t := s.trafficOf(ch, p.acct.country.name, d)
	t.sessions++
	t.views += int64(len(pages))
	t.fresh += int64(btoi(len(p.contacts) == 0))
	t.engaged += int64(btoi(len(pages) > 1))
}

// identify is a visit in which the person gives an address.
func (s *Sim) identify(p *person, anon string, at time.Time, email string) {
	ch := 5
	s.sessions = append(s.sessions, Session{At: at, Person: p.n, Anon: anon, Channel: ch, Pages: []string{"/thank-you"}, Identify: email, UserID: p.productID})
	t := s.trafficOf(ch, p.acct.country.name, s.draw("device", p.n))
	t.sessions++
	t.views++
	t.key++
	t.engaged++
}

func (s *Sim) trafficOf(ch int, country string, d *draws) *trafficSum {
	k := trafficKey{ch, channels[ch].landing, []string{"desktop", "mobile"}[d.weighted(75, 25)], country}
	if s.traffic[k] == nil {
		s.traffic[k] = &trafficSum{}
	}
	return s.traffic[k]
}

// media closes the day: visits of people who never say who they are, what the ads cost, and the analytics rows.
func (s *Sim) media() {
	d := s.draw("traffic", s.day)
	base := max(20, s.size.Leads*3/2)
	if s.weekend(s.day) {
		base /= 3
	}
	for ch, c := range channels {
		n := base * c.visits * d.between(80, 120) / 10_000
		for range 3 {
			if n == 0 {
				break
			}
			t := s.trafficOf(ch, countries[d.n(4)].name, d)
			t.sessions += int64(n)
			t.views += int64(n) * int64(d.between(13, 30)) / 10
			t.fresh += int64(n) * int64(d.between(50, 80)) / 100
			t.engaged += int64(n) * int64(d.between(30, 65)) / 100
			n /= 2
		}
	}
	clicks := make([]int64, len(campaignNames))
	sums := make([]trafficKey, 0, len(s.traffic))
	for k, t := range s.traffic {
		sums = append(sums, k)
		if c := channels[k.channel].campaign; c >= 0 {
			clicks[c] += t.sessions
		}
	}
	slices.SortFunc(sums, func(a, b trafficKey) int {
		return cmp.Or(a.channel-b.channel, cmp.Compare(a.landing, b.landing), cmp.Compare(a.device, b.device), cmp.Compare(a.country, b.country))
	})
	for _, k := range sums {
		t, c := s.traffic[k], channels[k.channel]
		row := store.WebDay{
			Day: s.at(s.day, 0).Truncate(24 * time.Hour), Source: c.source, Medium: c.medium, Campaign: "(not set)", Landing: k.landing, Country: k.country,
			Device: k.device, Group: c.name, Sessions: t.sessions, Engaged: t.engaged, NewUsers: t.fresh, Users: t.sessions - t.sessions/9, KeyEvents: t.key, Views: t.views,
		}
		if c.campaign >= 0 {
			row.Campaign = campaignNames[c.campaign].utm
		}
		s.st.Web.Days = append(s.st.Web.Days, row)
	}
	for i, n := range clicks {
		s.spend(i, n)
	}
}

// spend files the ad platform's numbers of the day: about one click in twelve never becomes a session.
func (s *Sim) spend(i int, sessions int64) {
	c := campaignNames[i]
	for g := range c.groups {
		d := s.draw("spend", i, g, s.day)
		clicks := sessions * int64([]int{65, 35}[g]) / 100 * int64(d.between(104, 114)) / 100
		conv := int64(0)
		for range clicks {
			conv += int64(btoi(d.chance(25)))
		}
		s.st.Ads.Days = append(s.st.Ads.Days, store.AdDay{
			Day: s.at(s.day, 0).Truncate(24 * time.Hour), Campaign: i, Group: g, Clicks: clicks, Impressions: clicks * 10_000 / int64(c.ctr) * int64(d.between(85, 120)) / 100,
			CostMicros: clicks * int64(c.cpc) * int64(d.between(80, 125)) / 100 * 10_000, Conversions: conv, ValueMicros: conv * 120_000_000,
		})
	}
}

func (s *Sim) setupChat() {
	born := s.at(-history-20, 0)
	s.st.Chat.Team, s.st.Chat.TeamID, s.st.Chat.BotUser, s.st.Chat.BotID = "Millstone", "T0MILLRACE", "U0MILLRACE", "B0MILLRACE"
	s.st.Chat.Channels = []store.Channel{
		{ID: "C0REVENUE1", Name: "revenue", Member: true, Created: born}, {ID: "C0ALERTS01", Name: "alerts", Member: true, Created: born},
		{ID: "C0GENERAL1", Name: "general", Member: true, Created: born}, {ID: "C0BOARD001", Name: "board", Created: born},
		{ID: "C0OLD00001", Name: "old-reports", Member: true, Archived: true, Created: born},
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func keys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
