package store

import "time"

// Ads is the data behind the simulated ad accounts and the analytics property.
type Ads struct {
	Customer  string // Google Ads customer id, digits
	Currency  string
	TimeZone  string
	Campaigns []Campaign
	Days      []AdDay // ascending by day, campaign, ad group
}

// Campaign is one advertising campaign.
type Campaign struct {
	ID       int64
	Name     string
	Platform string // google, linkedin
	Channel  string // SEARCH, DISPLAY; of Google campaigns
	Status   string // ENABLED, PAUSED
	Budget   int64  // micros a day
	Source   string // utm_source
	Medium   string // utm_medium
	UTM      string // utm_campaign
	Groups   []AdGroup
	Start    time.Time
}

// AdGroup is a part of a campaign.
type AdGroup struct {
	ID   int64
	Name string
}

// AdDay is one ad group's final numbers of one day; what the vendor shows depends on how old the day is (see At).
type AdDay struct {
	Day         time.Time
	Campaign    int // index
	Group       int // index
	Impressions int64
	Clicks      int64
	CostMicros  int64
	Conversions int64 // that will have been reported after the conversion window
	ValueMicros int64
}

// ConversionDelay is how many days the platform takes to report all conversions of a day.
const ConversionDelay = 14

// At is the row as the platform shows it on a date: conversions arrive over ConversionDelay days, and a share of the
// clicks and their cost is credited back as invalid after three days.
func (d AdDay) At(date time.Time) AdDay {
	age := int64(date.Sub(d.Day).Hours() / 24)
	if age < ConversionDelay {
		share := 40 + 60*max(age-1, 0)/(ConversionDelay-1)
		d.Conversions = d.Conversions * share / 100
		d.ValueMicros = d.ValueMicros * share / 100 / 10_000 * 10_000
	}
	if age >= 3 {
		credit := d.Clicks / 60
		if d.Clicks > 0 {
			d.CostMicros -= d.CostMicros / d.Clicks * credit / 10_000 * 10_000
		}
		d.Clicks -= credit
	}
	return d
}

// WebDay is one row of aggregated traffic of the analytics property.
type WebDay struct {
	Day                                                  time.Time
	Source, Medium, Campaign, Landing                    string
	Group                                                string // default channel group
	Country, Device                                      string
	Sessions, Engaged, NewUsers, Users, KeyEvents, Views int64
}

// Web is the analytics property.
type Web struct {
	Property string
	Currency string
	TimeZone string
	Days     []WebDay
}

// Audiences is the data behind the simulated audience upload: user lists and the requests made to them.
type Audiences struct {
	Lists    []*UserList
	Requests map[string]*IngestRequest
}

// UserList is a Customer Match list.
type UserList struct {
	ID, Name string
	Members  map[string]string // identifier → kind (email, phone, address)
}

// IngestRequest is one accepted call.
type IngestRequest struct {
	ID      string
	Op      string // ingest, remove
	Lists   []string
	At      time.Time
	Total   int64
	Denied  int64 // without consent
	Members int64 // identifiers received
}

// Chat is the data behind the simulated Slack workspace.
type Chat struct {
	Team, TeamID, BotUser, BotID string
	Channels                     []Channel
	Messages                     []*Message
	Files                        []*File
}

// Channel is one conversation.
type Channel struct {
	ID, Name string
	Member   bool // the bot is in it
	Archived bool
	Created  time.Time
}

// Message is one posted message. Blocks and Attachments are JSON as sent.
type Message struct {
	Channel, TS, Thread, Text string
	Blocks, Attachments       string
	Edited                    bool
	Files                     []string
	Metadata                  string
	ClientID                  string
}

// File is an uploaded file.
type File struct {
	ID, Name, Title string
	Size            int64
	Body            []byte
	SHA256          string
	Done            bool
	Channel         string
	At              time.Time
}

// Channel finds a channel by id or by name with or without "#".
func (c *Chat) Channel(ref string) *Channel {
	for i := range c.Channels {
		if ch := &c.Channels[i]; ch.ID == ref || ch.Name == ref || "#"+ch.Name == ref {
			return ch
		}
	}
	return nil
}

// Message finds a message.
func (c *Chat) Message(channel, ts string) *Message {
	for i := len(c.Messages) - 1; i >= 0; i-- {
		if m := c.Messages[i]; m.Channel == channel && m.TS == ts {
			return m
		}
	}
	return nil
}

// File finds a file.
func (c *Chat) File(id string) *File {
	for _, f := range c.Files {
		if f.ID == id {
			return f
		}
	}
	return nil
}

// List finds a user list by id.
func (a *Audiences) List(id string) *UserList {
	for _, l := range a.Lists {
		if l.ID == id {
			return l
		}
	}
	return nil
}
