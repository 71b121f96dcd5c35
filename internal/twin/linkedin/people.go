package linkedin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/internal/twin/store"
)

// Limits of streams.
const (
	maxElements   = 5000
	maxEventAge   = 90 * 24 * time.Hour
	callsToAppear = 2 // calls to a new segment that are answered 404
	firstSegment  = 13100001
)

var (
	sha256Form   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)
	emptyHash    = func() string { s := sha256.Sum256(nil); return hex.EncodeToString(s[:]) }()
)

func (a *API) newSegment(r *http.Request, body []byte) (any, error) {
	var in struct {
		Name, Account, Type, AccessPolicy, SourcePlatform string
		Destinations                                      []struct{ Destination string }
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if in.Account != "urn:li:sponsoredAccount:"+a.opt.Account || in.Type != "USER" && in.Type != "COMPANY" || in.Name == "" {
		return nil, refuse(http.StatusBadRequest, "ILLEGAL_ARGUMENT", "name, account and type USER or COMPANY are needed")
	}
	id := ""
	err := a.db.Update(a.meta(r), func(tx *store.Tx) error {
		id = strconv.Itoa(firstSegment + tx.State().Docs.Table("linkedin.segment").Made())
		return tx.Commit(store.Effect{Kind: "doc.put", Object: "linkedin.segment", ID: id, Fields: map[string]string{"name": in.Name, "account": in.Account, "type": in.Type, "new": "true"}})
	})
	return bare{http.StatusCreated, id}, err
}

// appear says whether a segment can be seen by now: a new one takes some calls.
func (a *API) appear(d *store.Doc) bool {
	if d == nil {
		return false
	}
	if d.Fields["new"] == "" {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen[d.ID]++
	return a.seen[d.ID] > callsToAppear
}

func (a *API) segment(id string) (any, error) {
	var out any
	a.db.View(func(s *store.State) {
		if d := s.Docs.Table("linkedin.segment").Live(id); d != nil {
			n := len(s.Docs.Set("linkedin.segment." + id))
			out = map[string]any{"id": json.Number(id), "name": d.Fields["name"], "account": d.Fields["account"], "type": d.Fields["type"], "accessPolicy": "PRIVATE", "sourcePlatform": "STREAMING",
				"status": "READY", "inputCount": n, "matchedCount": n * 6 / 10, "destinations": []any{map[string]string{"destination": "LINKEDIN"}}}
		}
	})
	if out == nil {
		return nil, notThere(id)
	}
	return out, nil
}

func notThere(id string) *problem {
	return refuse(http.StatusNotFound, "NOT_FOUND", "DMP segment %s was not found", id)
}

type element struct {
	Action  string `json:"action"`
	UserIDs []struct {
		Type  string `json:"idType"`
		Value string `json:"idValue"`
	} `json:"userIds"`
	FirstName      string `json:"firstName"`
	LastName       string `json:"lastName"`
	Title          string `json:"title"`
	Company        string `json:"company"`
	Country        string `json:"country"`
	CompanyName    string `json:"companyName"`
	CompanyDomain  string `json:"companyDomain"`
	CompanyPageURL string `json:"companyPageUrl"`
}

type answerElement struct {
	Status int      `json:"status"`
	Error  *problem `json:"error,omitempty"`
}

// stream adds people or companies and takes them out. The call succeeds; each element has a status of its own.
func (a *API) stream(r *http.Request, id, what string, body []byte) (any, error) {
	var in struct {
		Elements []element `json:"elements"`
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if len(in.Elements) == 0 || len(in.Elements) > maxElements {
		return nil, refuse(http.StatusBadRequest, "ILLEGAL_ARGUMENT", "between 1 and %d elements are allowed, there are %d", maxElements, len(in.Elements))
	}
	out := make([]answerElement, len(in.Elements))
	err := a.db.Update(a.meta(r), func(tx *store.Tx) error {
		d := tx.State().Docs.Table("linkedin.segment").Live(id)
		if !a.appear(d) {
			return notThere(id)
		}
		if (d.Fields["type"] == "USER") != (what == "users") {
			return refuse(http.StatusBadRequest, "ILLEGAL_ARGUMENT", "segment %s is of type %s", id, d.Fields["type"])
		}
		// Order counts: an element may take out who came in with an earlier one.
		var effects []store.Effect
		for i, e := range in.Elements {
			name, why := e.name(what)
			if why != "" {
				out[i] = answerElement{http.StatusBadRequest, refuse(http.StatusBadRequest, "ILLEGAL_ARGUMENT", "%s", why)}
				continue
			}
			out[i].Status = http.StatusCreated
			kind := map[string]string{"ADD": "set.add", "REMOVE": "set.remove"}[e.Action]
			if n := len(effects); n > 0 && effects[n-1].Kind == kind {
				effects[n-1].IDs = append(effects[n-1].IDs, name)
			} else {
				effects = append(effects, store.Effect{Kind: kind, Object: "linkedin.segment." + id, IDs: []string{name}})
			}
		}
		return tx.Commit(effects...)
	})
	return map[string]any{"elements": out}, err
}

func (e *element) name(what string) (string, string) {
	if e.Action != "ADD" && e.Action != "REMOVE" {
		return "", "/action :: must be ADD or REMOVE"
	}
	if what == "companies" {
		if e.CompanyName == "" {
			return "", "/companyName :: field is required but not found and has no default value"
		}
		return strings.ToLower(e.CompanyName + "|" + e.CompanyDomain + "|" + e.CompanyPageURL), ""
	}
	var parts []string
	for _, u := range e.UserIDs {
		if why := badID(u.Type, u.Value); why != "" {
			return "", why
		}
		parts = append(parts, u.Type+":"+u.Value)
	}
	if len(parts) == 0 {
		return "", "/userIds :: at least one is required"
	}
	slices.Sort(parts)
	return strings.Join(parts, "|"), ""
}

func badID(typ, value string) string {
	switch typ {
	case "SHA256_EMAIL":
		if !sha256Form.MatchString(value) || value == emptyHash {
			return "/userIds/idValue :: not a SHA-256 hash of an e-mail address"
		}
	case "GOOGLE_AID", "APPLE_IDFA", "LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID", "ACXIOM_ID", "ORACLE_MOAT_ID":
		if value == "" {
			return "/userIds/idValue :: empty"
		}
	default:
		return "/userIds/idType :: " + typ + " is not a valid value"
	}
	return ""
}

func (a *API) rule(id string) (any, error) {
	var out any
	a.db.View(func(s *store.State) {
		if d := s.Docs.Table("linkedin.rule").Live(id); d != nil {
			out = map[string]any{"id": json.Number(id), "name": d.Fields["name"], "account": d.Fields["account"], "enabled": d.Fields["enabled"] == "true", "conversionMethod": "CONVERSIONS_API"}
		}
	})
	if out == nil {
		return nil, refuse(http.StatusNotFound, "NOT_FOUND", "Could not find entity")
	}
	return out, nil
}

type event struct {
	Conversion string      `json:"conversion"`
	At         json.Number `json:"conversionHappenedAt"`
	Value      *struct {
		Currency string `json:"currencyCode"`
		Amount   string `json:"amount"`
	} `json:"conversionValue"`
	User struct {
		IDs []struct {
			Type  string `json:"idType"`
			Value string `json:"idValue"`
		} `json:"userIds"`
		Info *struct {
			FirstName, LastName, Title, CompanyName, CountryCode string
		} `json:"userInfo"`
	} `json:"user"`
	ID string `json:"eventId"`
}

// events takes conversions together. A bad one refuses all of them, with its index in the message.
func (a *API) events(r *http.Request, body []byte) (any, error) {
	var in struct {
		Elements []event `json:"elements"`
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if len(in.Elements) == 0 || len(in.Elements) > maxElements {
		return nil, refuse(http.StatusBadRequest, "ILLEGAL_ARGUMENT", "between 1 and %d elements are allowed, there are %d", maxElements, len(in.Elements))
	}
	out := make([]answerElement, len(in.Elements))
	err := a.db.Update(a.meta(r), func(tx *store.Tx) error {
		now := tx.State().Date.Add(24 * time.Hour)
		var effects []store.Effect
		for i, e := range in.Elements {
			if why := e.check(tx.State(), now); why != "" {
				return &problem{Status: http.StatusUnprocessableEntity, Message: fmt.Sprintf("Index: %d, ERROR :: %s", i, why)}
			}
			key := e.Conversion[strings.LastIndex(e.Conversion, ":")+1:] + "/" + e.ID
			if e.ID == "" {
				key = fmt.Sprintf("none-%d-%d", tx.Seq(), i)
			}
			fields := map[string]string{"at": e.At.String()}
			if e.Value != nil {
				fields["value"] = e.Value.Amount + " " + e.Value.Currency
			}
			for _, u := range e.User.IDs {
				fields[u.Type] = u.Value
			}
			effects = append(effects, store.Effect{Kind: "doc.put", Object: "linkedin.event", ID: key, Fields: fields})
			out[i].Status = http.StatusCreated
		}
		return tx.Commit(effects...)
	})
	return map[string]any{"elements": out}, err
}

func (e *event) check(s *store.State, now time.Time) string {
	id, ok := strings.CutPrefix(e.Conversion, "urn:lla:llaPartnerConversion:")
	if !ok || s.Docs.Table("linkedin.rule").Live(id) == nil {
		return "/conversion :: there is no conversion rule " + e.Conversion
	}
	ms, err := e.At.Int64()
	if err != nil {
		return "/conversionHappenedAt :: field is required"
	}
	at := time.UnixMilli(ms)
	switch {
	case now.Sub(at) > maxEventAge:
		return "/conversionHappenedAt :: the conversion happened more than 90 days ago"
	case at.After(now):
		return "/conversionHappenedAt :: the conversion is in the future"
	case len(e.User.IDs) == 0 && (e.User.Info == nil || e.User.Info.FirstName == "" || e.User.Info.LastName == ""):
		return "/user :: at least one user id, or first and last name, are required"
	}
	for _, u := range e.User.IDs {
		if why := badID(u.Type, u.Value); why != "" {
			return "/user" + why
		}
	}
	if e.Value != nil {
		if _, err := strconv.ParseFloat(e.Value.Amount, 64); err != nil || !currencyForm.MatchString(e.Value.Currency) {
			return "/conversionValue :: amount and currencyCode are required"
		}
	}
	return ""
}
