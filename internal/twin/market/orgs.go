package market

import (
	"fmt"
	"strconv"
	"strings"

	"millrace/internal/twin/store"
)

// The company's other accounts: a Salesforce org that came with an acquisition and knows a quarter of the companies, an
// ad account at Meta, and what is needed at LinkedIn and Google to upload audiences and conversions. They stand still:
// no lead comes from them, so nothing reacts to what is written there. LinkedIn's campaigns are those of the market.

// Ids of what is there to write to.
const (
	MetaAccount    = "1010101010101"
	MetaDataset    = "2020202020202"
	MetaAudience   = "23850000000000001"
	MetaBlocked    = "23850000000000002" // edits of it are blocked
	MetaCampaign   = "120200000000000001"
	MetaAdSet      = "120210000000000001"
	LinkedInAcct   = "507000001"
	LinkedInUsers  = "13000001"
	LinkedInFirms  = "13000002"
	LinkedInRule   = "104012"
	GoogleConverts = "7310001"
)

// MillraceID is the external id that every object of the Salesforce org has.
const MillraceID = "Millrace_Id__c"

func (s *Sim) setupOrgs() {
	d, at := s.st.Docs, s.at(-30, 9*60)
	for _, o := range []string{"Lead", "Contact", "Account", "Opportunity", "Task"} {
		d.Table("salesforce."+o, MillraceID)
	}
	d.Seed("salesforce.User", "005Tw0000000001AAA", map[string]string{"Name": "Integration User", "Email": "integration@millstone.example"}, at)
	value := func(t *store.Table, r *store.Record, name string) string { v, _ := t.Value(r, name); return v }
	companies, contacts := s.st.CRM.Table("companies"), s.st.CRM.Table("contacts")
	known := map[string]string{}
	recs, _ := companies.After(0, companies.Len(), false)
	for i, r := range recs {
		if domain := value(companies, r, "domain"); i%4 == 0 && domain != "" {
			id := fmt.Sprintf("001Tw%010dAAA", len(known)+1)
			known[domain] = id
			d.Seed("salesforce.Account", id, map[string]string{"Name": value(companies, r, "name"), "Website": "https://" + domain, "OwnerId": "005Tw0000000001AAA", MillraceID: "account:" + domain}, at)
		}
	}
	n := 0
	recs, _ = contacts.After(0, contacts.Len(), false)
	for _, r := range recs {
		email := value(contacts, r, "email")
		_, domain, _ := strings.Cut(email, "@")
		if acct := known[domain]; acct != "" && value(contacts, r, "lastname") != "" {
			n++
			d.Seed("salesforce.Contact", fmt.Sprintf("003Tw%010dAAA", n), map[string]string{"FirstName": value(contacts, r, "firstname"), "LastName": value(contacts, r, "lastname"), "Email": email,
				"AccountId": acct, "OwnerId": "005Tw0000000001AAA", MillraceID: "contact:" + email}, at)
		}
	}
	d.Seed("meta.audience", MetaAudience, map[string]string{"name": "Millrace audience", "account_id": MetaAccount, "subtype": "CUSTOM"}, at)
	d.Seed("meta.audience", MetaBlocked, map[string]string{"name": "Health interest", "account_id": MetaAccount, "subtype": "CUSTOM", "operation_status": "471"}, at)
	d.Seed("meta.dataset", MetaDataset, map[string]string{"name": "Millstone"}, at)
	for i, c := range []struct {
		name   string
		budget int
	}{{"Prospecting", 12_000}, {"Retargeting", 4_500}, {"Lookalike", 8_000}} {
		id := strconv.Itoa(120200000000000001 + i)
		d.Seed("meta.campaign", id, map[string]string{"name": c.name, "account_id": MetaAccount, "status": "ACTIVE", "daily_budget": strconv.Itoa(c.budget)}, at)
		d.Seed("meta.adset", strconv.Itoa(120210000000000001+i), map[string]string{"name": c.name + " | US", "campaign_id": id, "account_id": MetaAccount, "status": "ACTIVE", "daily_budget": strconv.Itoa(c.budget / 3)}, at)
	}
	d.Seed("linkedin.segment", LinkedInUsers, map[string]string{"name": "Millrace people", "type": "USER", "account": "urn:li:sponsoredAccount:" + LinkedInAcct}, at)
	d.Seed("linkedin.segment", LinkedInFirms, map[string]string{"name": "Millrace companies", "type": "COMPANY", "account": "urn:li:sponsoredAccount:" + LinkedInAcct}, at)
	d.Seed("linkedin.rule", LinkedInRule, map[string]string{"name": "Opportunity", "account": "urn:li:sponsoredAccount:" + LinkedInAcct, "enabled": "true"}, at)
	d.Seed("google.conversion_action", GoogleConverts, map[string]string{"name": "Qualified lead"}, at)
}
