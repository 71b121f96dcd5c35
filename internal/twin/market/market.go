// Package market is the simulated business behind the vendors: a B2B software company that sells subscriptions, over
// the days before a start date and every day after it.
//
// It is a discrete simulation by days. Each day carries out what was scheduled for it (answers of sales, deal stages,
// bills, cancellations) and draws what is new (leads, tickets, traffic). The vendors' records are written into store.State;
// what is true behind them (who is who, what caused what) is kept in Truth, which only tests and evaluation read.
// The same seed, size and start give the same state; no clock and no global randomness is used.
package market

import (
	"fmt"
	"time"

	"millrace/internal/fault"
	"millrace/internal/twin/store"
)

// Days is how many days of leads, sessions and ad spend lie before the start date.
const Days = 120

// history is how many days before the first of those the oldest accounts were won.
const history = 300

// Size is how big the market is.
type Size struct {
	Name     string
	Accounts int // at the start date
	People   int // at the start date
	Leads    int // per 100 days
}

// Sizes are the sizes to choose from.
func Sizes() []Size {
	return []Size{
		{"tiny", 36, 180, 50}, {"small", 400, 2_000, 400}, {"medium", 4_000, 20_000, 4_000}, {"large", 20_000, 100_000, 20_000},
	}
}

// FindSize finds a size by name.
func FindSize(name string) (Size, error) {
	var names []string
	for _, s := range Sizes() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Size{}, &fault.Error{Key: "size", Value: name, Msg: "no such size of the simulated market", Hint: fault.DidYouMean(name, names)}
}

// Market makes and advances simulated markets; it is the store's Market.
type Market struct{}

// Generate plays the market up to the start of the header's date.
func (Market) Generate(h store.Header) (*store.State, error) {
	size, err := FindSize(h.Size)
	if err != nil {
		return nil, err
	}
	start, err := time.Parse(store.Day, h.Start)
	if err != nil {
		return nil, &fault.Error{Key: "date", Value: h.Start, Msg: "not a date", Hint: "Write it as 2026-03-02."}
	}
	st := store.NewState(start)
	s := &Sim{
		st: st, seed: h.Seed, size: size, begin: start.AddDate(0, 0, -Days), day: -history,
		tasks: map[int][]func(){}, Truth: newTruth(), byContact: map[int64]*person{}, emails: map[string]bool{},
		names: map[string]bool{},
	}
	st.Sim = s
	s.setup()
	s.playTo(Days)
	s.setupOrgs()
	st.OnEffect(s.react)
	return st, nil
}

// Advance plays the days up to date.
func (Market) Advance(st *store.State, date time.Time) {
	s := Of(st)
	s.playTo(int(date.Sub(s.begin).Hours() / 24))
}

// Of is the simulation behind a state.
func Of(st *store.State) *Sim { return st.Sim.(*Sim) }

// Sim is one market. Day 0 is the first of the Days before the start; the accounts that were there already have
// negative days. Its methods are many because the parts of a business act on one another: a won deal bills, a bill that
// fails ends a contract, a contract that runs is used. They stand together by file: people, funnel, billing, service,
// media, files.
type Sim struct {
	st    *store.State
	seed  uint64
	size  Size
	begin time.Time
	day   int // the day being played; when nothing is played, the next one
	tasks map[int][]func()

	Truth     *Truth
	reps      []*rep
	accounts  []*account
	people    []*person
	byContact map[int64]*person
	byHash    map[string]*person // SHA-256 of an e-mail → person; filled when an audience is written
	hashed    int                // how many of people are in byHash
	emails    map[string]bool    // contact addresses in use
	names     map[string]bool    // company names in use
	openDeals []*deal
	customers []*account // that ever paid
	sessions  []Session
	usage     []Usage
	ids       struct{ contact, company, deal, ticket, lead, invoice int64 }
	counted   struct{ leads, dealMoves int } // on the day being played
	traffic   map[trafficKey]*trafficSum     // identified sessions of the day, for the analytics property
}

// playTo plays whole days until day is the next one.
func (s *Sim) playTo(day int) {
	for ; s.day < day; s.day++ {
		s.counted.leads, s.counted.dealMoves = 0, 0
		s.traffic = map[trafficKey]*trafficSum{}
		if s.day >= 0 {
			s.arrivals()
		}
		s.work()
		if s.day >= 0 {
			s.service()
			s.use()
			if s.day >= Days {
				s.promises()
			}
			s.work()
			s.media()
		}
	}
}

// work carries out what is scheduled for today. A task may schedule another one for today: the list grows while it is
// worked off.
func (s *Sim) work() {
	for i := 0; i < len(s.tasks[s.day]); i++ {
		s.tasks[s.day][i]()
	}
	delete(s.tasks, s.day)
}

// on schedules work for a day; a day that is over means today.
func (s *Sim) on(day int, f func()) {
	day = max(day, s.day)
	s.tasks[day] = append(s.tasks[day], f)
}

// at is an instant on a day. Events begin at ten past midnight: the minutes before belong to the logical clock of writes.
func (s *Sim) at(day, minute int) time.Time {
	return s.begin.AddDate(0, 0, day).Add(time.Duration(min(max(minute, 10), 1439)) * time.Minute)
}

// stamp is an instant of today at a drawn minute of the working day.
func (s *Sim) stamp(d *draws, from, to int) time.Time {
	return s.at(s.day, d.between(from*60, to*60-1)).Add(time.Duration(d.n(60_000)) * time.Millisecond)
}

// rep is a sales representative.
type rep struct {
	id        int64
	first     string
	last      string
	team      string
	threshold int // the fit above which they take a lead themselves
	away      map[int]bool
}

func (s *Sim) setup() {
	s.defineProperties()
	s.setupReps()
	s.setupBilling()
	s.setupMedia()
	s.setupChat()
	s.setupAccounts()
}

func (s *Sim) setupReps() {
	n := min(max(4, s.size.Accounts/60), 40)
	born := s.begin.AddDate(0, 0, -history-30)
	for i := range n {
		d := s.draw("rep", i)
		g, f := pick(d, givenNames), pick(d, familyNames)
		r := &rep{id: int64(70_000_001 + i), first: g.name, last: f, team: "smb", threshold: d.between(58, 74), away: map[int]bool{}}
		if i%4 == 3 {
			r.team = "enterprise"
		}
		for day := -history; day < Days+400; day++ {
			if s.draw("away", i, day/5).chance(60) { // working weeks off
				r.away[day] = true
			}
		}
		s.reps = append(s.reps, r)
		s.st.CRM.Owners = append(s.st.CRM.Owners, store.Owner{
			ID: r.id, UserID: r.id - 60_000_000, First: g.name, Last: f, Team: r.team, Created: born, Updated: born,
			Email: fmt.Sprintf("%s.%s@millstone.example", ascii(g.name), ascii(f)), Archived: i == n-1 && n > 4,
		})
	}
}

// weekend says whether nobody works on a day.
func (s *Sim) weekend(day int) bool {
	w := s.begin.AddDate(0, 0, day).Weekday()
	return w == time.Saturday || w == time.Sunday
}

// repFor is who looks after an account's leads on a day.
func (s *Sim) repFor(a *account, day int) *rep {
	if a.owner != nil && !a.owner.away[day] {
		return a.owner
	}
	d := s.draw("assign", a.n, day)
	for range 20 {
		r := pick(d, s.reps[:len(s.reps)-1])
		if !r.away[day] && (r.team == "enterprise") == (a.employees >= 1000) {
			return r
		}
	}
	return s.reps[0]
}
