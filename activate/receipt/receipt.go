// Package receipt is the hand-off of whatever hands something to the outside world: one plain value that says what
// became of one delivery. Report channels return it, destinations will. It imports the standard library only and
// must not know any channel or destination.
package receipt

import "time"

// Status is what is known about a delivery.
type Status string

// The states of a delivery (P6: only the other side's own answer moves one).
const (
	Intended  Status = "intended"  // recorded before asking; without a later word it counts as unknown
	Delivered Status = "delivered" // the other side said yes, or the file is durable
	Rejected  Status = "rejected"  // the other side said no: nothing arrived, it may be tried again
	Unknown   Status = "unknown"   // asked, and the answer was lost: look before trying again
)

// Receipt is one delivery.
type Receipt struct {
	Key     string    `json:"key"`              // the same key is the same delivery for ever
	Subject string    `json:"subject"`          // what was delivered: the report's name
	Channel string    `json:"channel"`          // excel, html, slack, ...
	Period  string    `json:"period,omitempty"` // what it is about: 2017-12
	Status  Status    `json:"status"`
	Ref     string    `json:"ref,omitempty"`    // where it is: a path, a message's address
	Digest  string    `json:"digest,omitempty"` // SHA-256 of the content in hexadecimal
	Made    string    `json:"made,omitempty"`   // what it was made from, if making it again from the same gives the same
	Bytes   int64     `json:"bytes,omitempty"`
	Reason  string    `json:"reason,omitempty"` // why not delivered, for a person
	At      time.Time `json:"at"`               // logical time, UTC
}

// Settled reports whether nothing is left to find out about the delivery.
func (r Receipt) Settled() bool { return r.Status == Delivered || r.Status == Rejected }
