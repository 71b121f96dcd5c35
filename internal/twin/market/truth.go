package market

import (
	"strings"
	"time"
)

// Truth is what is so behind the vendors' records. The product never sees it.
type Truth struct {
	// Persons maps a record ("hubspot/contacts/1000001") to the person behind it ("P000012"). A record of a mailbox that
	// several people read is "role:<address>" and is nobody.
	Persons map[string]string
	// Accounts maps companies of the CRM and customers of the billing system to the account behind them.
	Accounts  map[string]string
	Routes    []Route
	Answers   []Answer
	Deals     []Deal
	Churns    []Churn
	Reactions []Reaction
	Causes    map[string]Cause // by person
	Campaigns []CampaignTruth
}

// Route is a representative's decision about a lead.
type Route struct {
	Contact   int64
	Person    string
	At        time.Time
	Rep       int64
	Route     string // sales, nurture
	Fit       int    // true fit, 0..100
	Overruled bool   // a client of the twin had routed the lead before
}

// Answer is the first word of sales to a lead and what came of it.
type Answer struct {
	Person   string
	Contact  int64
	By       string // rep, millrace
	Hours    int    // since the lead came
	Chance   int    // permille of becoming an opportunity
	Converts bool
}

// Deal is an opportunity and how it will end.
type Deal struct {
	ID       int64
	Account  string
	Person   string
	Campaign int // index into Campaigns, -1 none
	Caused   bool
	Wins     bool
}

// Churn is the end of a contract.
type Churn struct {
	Account, Subscription string
	At                    time.Time
	Why                   string
}

// Reaction is what the market did about a write.
type Reaction struct {
	Person string
	At     time.Time
	What   string
	Before string
}

// Cause is how a person came.
type Cause struct {
	Channel  string
	Campaign int  // index into Campaigns, -1 none
	Caused   bool // would not have come without the campaign
}

// CampaignTruth is a campaign's true effect.
type CampaignTruth struct {
	Name        string
	Incremental int // permille of its leads that would not have come without it
	Leads       int
	Caused      int
}

func newTruth() *Truth {
	return &Truth{Persons: map[string]string{}, Accounts: map[string]string{}, Causes: map[string]Cause{}}
}

// role marks a record as belonging to a shared mailbox.
func (t *Truth) role(record, email string) { t.Persons[record] = "role:" + strings.ToLower(email) }

func (t *Truth) company(id int64, a *account) {
	t.Accounts["hubspot/companies/"+itoa(id)] = a.id()
}

func (t *Truth) cause(p *person, channel string, campaign int) {
	t.Causes[p.id()] = Cause{Channel: channel, Campaign: campaign, Caused: p.caused}
	if campaign >= 0 {
		t.Campaigns[campaign].Leads++
		t.Campaigns[campaign].Caused += btoi(p.caused)
	}
}

func (t *Truth) answer(p *person, l *lead, hours, chance int, converts bool) {
	t.Answers = append(t.Answers, Answer{Person: p.id(), Contact: l.contact, By: l.by, Hours: hours, Chance: chance, Converts: converts})
}
