// Package twin is the simulated vendors: one seeded market served through the HTTP interfaces of HubSpot, Stripe, Google
// Ads, Google Data Manager, GA4 and Slack, so that tests and demonstrations need no account anywhere.
//
// Every write is synced to a state file before it is answered; a twin that was killed goes on where it stood. It can be
// told to misbehave (Fault). The truth behind the market is read through Truth, by tests and evaluation only.
// docs/twin.md says what is served and how faithful it is.
package twin

import (
	"net/http"
	"strings"
	"time"

	"millrace/internal/fault"
	"millrace/internal/twin/google"
	"millrace/internal/twin/hubspot"
	"millrace/internal/twin/linkedin"
	"millrace/internal/twin/market"
	"millrace/internal/twin/meta"
	"millrace/internal/twin/salesforce"
	"millrace/internal/twin/slack"
	"millrace/internal/twin/store"
	"millrace/internal/twin/stripe"
	"millrace/internal/twin/wire"
)

// Options say which market is made and how the vendors behave. The zero value is the small market of seed 1.
type Options struct {
	Size   string           // tiny, small (default), medium, large
	Seed   uint64           // 0 means 1
	Date   time.Time        // logical start date; zero means 2026-03-02, a Monday
	Limits bool             // refuse calls beyond the vendors' rate limits; they are counted and told either way
	Faults []Fault          // misbehaviour from the start on
	Now    func() time.Time // clock for rate limits and token lifetimes; nil means time.Now. No data depends on it
}

// Credentials are what the vendors accept. They are fixed: nothing real is behind them.
type Credentials struct {
	HubSpotToken, StripeKey, SlackToken                    string
	GoogleClientID, GoogleClientSecret, GoogleRefreshToken string
	GoogleDeveloperToken                                   string
	GoogleAdsCustomer, GA4Property, AudienceList           string // the accounts to read from and write to
	GoogleConversion                                       string // the conversion action to tell events of
	SalesforceClientID, SalesforceClientSecret             string
	MetaToken, MetaAppSecret, MetaAccount                  string
	MetaDataset, MetaAudience                              string
	LinkedInToken, LinkedInAccount, LinkedInRule           string
	LinkedInUsers, LinkedInCompanies                       string // segments
}

// DefaultCredentials are the credentials of every twin. A HubSpot token with "-readonly" appended may only read, any of
// the three tokens with "-expired" appended has ended.
func DefaultCredentials() Credentials {
	return Credentials{
		HubSpotToken: "pat-twin-hubspot", StripeKey: "sk_test_twin", SlackToken: "xoxb-twin-slack",
		GoogleClientID: "twin.apps.example", GoogleClientSecret: "twin-google-secret", GoogleRefreshToken: "1//twin-refresh",
		GoogleDeveloperToken: "twin-developer-token", GoogleAdsCustomer: "4815162342", GA4Property: "424242424", AudienceList: "7700001",
		GoogleConversion: market.GoogleConverts, SalesforceClientID: "3MVG9.twin", SalesforceClientSecret: "twin-salesforce-secret",
		MetaToken: "EAAtwinmeta", MetaAppSecret: "twin-meta-app-secret", MetaAccount: market.MetaAccount, MetaDataset: market.MetaDataset, MetaAudience: market.MetaAudience,
		LinkedInToken: "AQXtwinlinkedin", LinkedInAccount: market.LinkedInAcct, LinkedInRule: market.LinkedInRule, LinkedInUsers: market.LinkedInUsers, LinkedInCompanies: market.LinkedInFirms,
	}
}

// Twin is a running set of simulated vendors. It is safe for use by many goroutines.
type Twin struct {
	db      *store.DB
	faults  *faults
	vendors map[string]http.Handler
	handler http.Handler

	onAdvance func() error
}

// New makes a twin that is kept in memory.
func New(o Options) (*Twin, error) { return Open("", o) }

// Open opens the twin whose state file is in dir, or makes one there. A folder that is in use by another twin is refused
// with fault.ExitLocked; one that holds a market of another seed, size or date than asked for is refused too.
func Open(dir string, o Options) (*Twin, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	asked := store.Header{Seed: o.Seed, Size: o.Size}
	if !o.Date.IsZero() {
		asked.Start = o.Date.UTC().Format(store.Day)
	}
	db, err := store.Open(dir, asked, store.Header{Seed: 1, Size: "small", Start: "2026-03-02"}, market.Market{})
	if err != nil {
		return nil, fault.Wrap(err, "open the twin")
	}
	t := &Twin{db: db, faults: newFaults(db.Header().Seed, o.Now)}
	for _, f := range o.Faults {
		if err := t.faults.add(f); err != nil {
			db.Close()
			return nil, err
		}
	}
	c := DefaultCredentials()
	t.vendors = map[string]http.Handler{
		"hubspot": hubspot.New(db, hubspot.Options{Token: c.HubSpotToken, Enforce: o.Limits, Now: o.Now}),
		"stripe":  stripe.New(db, stripe.Options{Key: c.StripeKey, Enforce: o.Limits, Now: o.Now}),
		"slack":   slack.New(db, slack.Options{Token: c.SlackToken, Enforce: o.Limits, Now: o.Now}),
		"google": google.New(db, google.Options{
			ClientID: c.GoogleClientID, ClientSecret: c.GoogleClientSecret, RefreshToken: c.GoogleRefreshToken,
			DeveloperToken: c.GoogleDeveloperToken, Enforce: o.Limits, Now: o.Now,
		}),
	}
	t.vendors["salesforce"] = salesforce.New(db, salesforce.Options{ClientID: c.SalesforceClientID, ClientSecret: c.SalesforceClientSecret, Enforce: o.Limits, Now: o.Now})
	t.vendors["meta"] = meta.New(db, meta.Options{Token: c.MetaToken, AppSecret: c.MetaAppSecret, Account: c.MetaAccount, Enforce: o.Limits, Now: o.Now})
	t.vendors["linkedin"] = linkedin.New(db, linkedin.Options{Token: c.LinkedInToken, Account: c.LinkedInAccount, Enforce: o.Limits, Now: o.Now})
	t.handler = http.HandlerFunc(t.serve)
	return t, nil
}

// Handler serves every vendor, and the controls under /_twin/.
func (t *Twin) Handler() http.Handler { return t.handler }

// Close lets go of the state file. Reads still answer; writes fail.
func (t *Twin) Close() error { return t.db.Close() }

// Date is the logical day: everything before it has happened.
func (t *Twin) Date() time.Time {
	var d time.Time
	t.db.View(func(s *store.State) { d = s.Date })
	return d
}

// AdvanceTo plays the market up to a day. A day that is not later changes nothing.
func (t *Twin) AdvanceTo(date time.Time) error {
	if err := t.db.Advance(date.UTC().Truncate(24 * time.Hour)); err != nil {
		return err
	}
	if t.onAdvance != nil {
		return t.onAdvance()
	}
	return nil
}

// OnAdvance has f called after each advance of the date. It must be set before the twin is served.
func (t *Twin) OnAdvance(f func() error) { t.onAdvance = f }

// Writes is the ledger: every effective write since the market was made.
func (t *Twin) Writes() []store.Write {
	var out []store.Write
	t.db.View(func(s *store.State) { out = append(out, s.Writes...) })
	return out
}

// View runs fn over the state behind the vendors, for tests. fn must not keep or change what it sees.
func (t *Twin) View(fn func(*store.State)) { t.db.View(fn) }

// vendorOf is the vendor that a path belongs to, "" for none. No two vendors share a path, so one address serves all.
func vendorOf(path string) string {
	switch {
	case hubspot.Handles(path):
		return "hubspot"
	case google.Handles(path):
		return "google"
	case stripe.Handles(path):
		return "stripe"
	case slack.Handles(path):
		return "slack"
	case salesforce.Handles(path):
		return "salesforce"
	case meta.Handles(path):
		return "meta"
	case linkedin.Handles(path):
		return "linkedin"
	}
	return ""
}

func (t *Twin) serve(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_twin/") {
		t.control(w, r)
		return
	}
	name := vendorOf(r.URL.Path)
	if name == "" {
		wire.JSON(w, http.StatusNotFound, map[string]string{"error": "the twin serves nothing at " + r.URL.Path + "; see docs/twin.md"})
		return
	}
	t.faults.around(name, t.vendors[name], w, r)
}
