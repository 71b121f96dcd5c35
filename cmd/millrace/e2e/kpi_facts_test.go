package e2e

import (
	"encoding/csv"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// facts are what the KPIs are computed from: the rows that landed, the tables of sql/seeds and the project's settings.
type facts struct {
	zone  *time.Location
	money string    // the project's currency
	today time.Time // the day as of which KPIs are stated, in the project's zone

	contacts, crmCompanies, forms, deals, history, stages      []record
	customers, subscriptions, items, prices, invoices, changes []record
	spend, campaigns, events                                   []record
	charges, refunds, traffic                                  []record
	associations                                               map[string][]record // by contact
	contactIDs, companyIDs                                     map[string]bool     // of the CRM, deleted ones too

	channels          map[string]channel // "kind/value"
	freeMail          map[string]string  // domain → rule of its mailboxes
	roles, legalForms map[string]bool
	countries         map[string]string // name → code
	qualified         map[string]bool   // by stage id
	margin            *big.Rat
	capMonths         int64
	funnelDays        int
	quotes            map[string][]quote // by currency, in time
	units             map[string]int     // minor units that are not two
	costs             []cost
}

type quote struct {
	from           time.Time
	spot, constant *big.Rat
}

type cost struct {
	month    time.Time
	category string
	amount   *big.Rat
	currency string
}

// readFacts reads a project as of an instant, from the raw rows that l gives.
func readFacts(dir string, l lake, now time.Time) (*facts, error) {
	var file struct {
		TimeZone string `yaml:"time_zone"`
		Currency string `yaml:"currency"`
	}
	text, err := os.ReadFile(filepath.Join(dir, "millrace.yml"))
	if err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	f := &facts{money: file.Currency, contactIDs: map[string]bool{}, companyIDs: map[string]bool{}}
	if f.zone, err = time.LoadLocation(file.TimeZone); err != nil {
		return nil, err
	}
	f.today = f.day(now)
	gone := map[string]map[string]bool{}
	for _, kind := range []string{"contacts", "companies", "deals"} {
		rows, err := l.stream("hubspot.archived_" + kind)
		if err != nil {
			return nil, err
		}
		gone[kind] = map[string]bool{}
		for _, r := range rows {
			gone[kind][r.text("id")] = true
		}
	}
	var associations []record
	for name, into := range map[string]*[]record{
		"hubspot.contacts": &f.contacts, "hubspot.companies": &f.crmCompanies, "hubspot.form_submissions": &f.forms, "hubspot.deals": &f.deals,
		"hubspot.deal_stage_history": &f.history, "hubspot.deal_pipeline_stages": &f.stages, "hubspot.contact_companies": &associations,
		"stripe.customers": &f.customers, "stripe.subscriptions": &f.subscriptions, "stripe.subscription_items": &f.items, "stripe.prices": &f.prices,
		"stripe.invoices": &f.invoices, "stripe.events": &f.changes,
		"google_ads.campaign_daily": &f.spend, "google_ads.campaigns": &f.campaigns, "segment.events": &f.events,
		"stripe.charges": &f.charges, "stripe.refunds": &f.refunds, "ga4.sessions_daily": &f.traffic,
	} {
		if *into, err = l.stream(name); err != nil {
			return nil, err
		}
		if deleted, ok := gone[strings.TrimPrefix(name, "hubspot.")]; ok {
			var kept []record
			for _, r := range *into {
				switch name {
				case "hubspot.contacts":
					f.contactIDs[r.text("id")] = true
				case "hubspot.companies":
					f.companyIDs[r.text("id")] = true
				}
				if !r.bool("archived") && !deleted[r.text("id")] {
					kept = append(kept, r)
				}
			}
			*into = kept
		}
	}
	f.associations = map[string][]record{}
	for _, a := range associations {
		f.associations[a.text("contact_id")] = append(f.associations[a.text("contact_id")], a)
	}
	return f, f.readSeeds(filepath.Join(dir, "sql", "seeds"))
}

func (f *facts) readSeeds(dir string) error {
	f.channels, f.freeMail, f.roles, f.legalForms = map[string]channel{}, map[string]string{}, map[string]bool{}, map[string]bool{}
	f.countries, f.qualified, f.quotes, f.units = map[string]string{}, map[string]bool{}, map[string][]quote{}, map[string]int{}
	f.margin, f.capMonths, f.funnelDays = big.NewRat(4, 5), 60, 90
	for name, row := range map[string]func(map[string]string) error{
		"channels": func(r map[string]string) error {
			f.channels[r["kind"]+"/"+r["value"]] = channel{r["channel"], r["is_paid"] == "true"}
			return nil
		},
		"free_mail_domains": func(r map[string]string) error { f.freeMail[r["domain"]] = r["mailbox_rule"]; return nil },
		"role_inboxes":      func(r map[string]string) error { f.roles[r["local_part"]] = true; return nil },
		"legal_forms":       func(r map[string]string) error { f.legalForms[r["legal_form"]] = true; return nil },
		"countries":         func(r map[string]string) error { f.countries[r["name"]] = r["country_code"]; return nil },
		"stage_map":         func(r map[string]string) error { f.qualified[r["stage_id"]] = r["is_qualified"] == "true"; return nil },
		"currency_units": func(r map[string]string) error {
			n := 0
			_, err := fmt.Sscan(r["minor_units"], &n)
			f.units[r["currency"]] = n
			return err
		},
		"assumptions": func(r map[string]string) error {
			v, err := number(r["value"])
			if err != nil {
				return err
			}
			switch r["name"] {
			case "gross_margin":
				f.margin = v
			case "ltv_cap_months":
				f.capMonths = v.Num().Int64()
			case "funnel_days":
				f.funnelDays = int(v.Num().Int64())
			}
			return nil
		},
		"fx_rates": func(r map[string]string) error {
			from, err := time.Parse("2006-01-02", r["from_date"])
			if err != nil {
				return err
			}
			q := quote{from: from}
			if q.spot, err = number(r["usd_spot"]); err != nil {
				return err
			}
			if q.constant, err = number(r["usd_constant"]); err != nil {
				return err
			}
			all := append(f.quotes[r["currency"]], q)
			for i := len(all) - 1; i > 0 && all[i].from.Before(all[i-1].from); i-- {
				all[i], all[i-1] = all[i-1], all[i]
			}
			f.quotes[r["currency"]] = all
			return nil
		},
		"sales_marketing_costs": func(r map[string]string) error {
			month, err := time.Parse("2006-01-02", r["month"])
			if err != nil {
				return err
			}
			amount, err := number(r["amount"])
			f.costs = append(f.costs, cost{month: month, category: strings.ToLower(r["category"]), amount: amount, currency: strings.ToUpper(r["currency"])})
			return err
		},
	} {
		h, err := os.Open(filepath.Join(dir, name+".csv"))
		if err != nil {
			return err
		}
		lines, err := csv.NewReader(h).ReadAll()
		h.Close()
		if err != nil {
			return fmt.Errorf("%s.csv: %w", name, err)
		}
		for i, line := range lines[1:] {
			r := map[string]string{}
			for j, col := range lines[0] {
				r[col] = line[j]
			}
			if err := row(r); err != nil {
				return fmt.Errorf("%s.csv, line %d: %w", name, i+2, err)
			}
		}
	}
	return nil
}

func number(s string) (*big.Rat, error) {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, fmt.Errorf("%q is not a number", s)
	}
	return r, nil
}

// day is the business day of an instant, as midnight UTC of that date.
func (f *facts) day(at time.Time) time.Time {
	y, m, d := at.In(f.zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// worth is what one unit of a currency is worth in the project's: at the spot rate of a day, or at the constant rate for
// the zero time. It is nil where no rate is known.
func (f *facts) worth(currency string, on time.Time) *big.Rat {
	pick := func(cur string) *big.Rat {
		all := f.quotes[cur]
		if len(all) == 0 {
			return nil
		}
		if on.IsZero() {
			return all[len(all)-1].constant
		}
		for i := len(all) - 1; i >= 0; i-- {
			if !all[i].from.After(on) {
				return all[i].spot
			}
		}
		return nil
	}
	a, b := pick(strings.ToUpper(currency)), pick(f.money)
	if a == nil || b == nil {
		return nil
	}
	return new(big.Rat).Quo(a, b)
}

// major turns minor units of a currency into major ones.
func (f *facts) major(minor *big.Rat, currency string) *big.Rat {
	units, ok := f.units[strings.ToUpper(currency)]
	if !ok {
		units = 2
	}
	return new(big.Rat).Quo(minor, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(units)), nil)))
}
