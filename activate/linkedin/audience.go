package linkedin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"millrace/activate"
	"millrace/internal/adhash"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/vendorapi"
)

// What a person and a company are known by. E-mail addresses are hashed; the rest helps LinkedIn to be sure.
var (
	userFields    = []string{"company", "country", "email", "family_name", "given_name", "google_aid", "title"}
	companyFields = []string{"company_domain", "company_name", "company_page_url"}
)

const (
	users     = "USER"
	companies = "COMPANY"
)

type audience struct {
	*account
	kind string // of the segment, once it is known
}

// Capabilities declares a set with an answer about every element.
func (d *audience) Capabilities(object string) (activate.Capabilities, error) {
	if !digits.MatchString(object) {
		return activate.Capabilities{}, &fault.Error{Key: "object", Value: object, Msg: "not the id of a DMP segment", Hint: "Copy the segment's number from Campaign Manager, Audiences."}
	}
	return activate.Capabilities{Account: d.id, Ops: []activate.Op{activate.Add, activate.Remove}, MaxBatch: maxElements, PerRow: true, Repeat: true, Undo: activate.UndoInverse, PerSecond: perMinute / 60.0, MinPeople: minAudience}, nil
}

// define asks which kind of segment it is.
func (d *audience) define(ctx context.Context, id string) error {
	if d.kind != "" {
		return nil
	}
	var out struct{ Type, Status, Account string }
	if _, err := d.do(ctx, vendorapi.Call{Path: "/dmpSegments/" + id}, "", "rw_dmp_segments", &out); err != nil {
		return absent(err, id, "DMP segment", "Campaign Manager, Audiences")
	}
	switch {
	case strings.HasPrefix(out.Type, users):
		d.kind = users
	case strings.HasPrefix(out.Type, companies):
		d.kind = companies
	default:
		return &fault.Error{Key: "object", Value: id, Msg: "the segment is of type " + out.Type, Hint: "Make one that is fed by streaming users or companies."}
	}
	if strings.HasSuffix(out.Type, "LIST_UPLOAD") {
		return &fault.Error{Key: "object", Value: id, Msg: "the segment is fed by uploaded lists", Hint: "Make one that is fed by streaming users or companies."}
	}
	if slices.Contains([]string{"EXPIRED", "FAILED", "ERROR"}, out.Status) {
		return &fault.Error{Key: "object", Value: id, Msg: "the segment is " + strings.ToLower(out.Status) + " and cannot be used", Hint: "Make a new one: LinkedIn lets segments expire that no campaign uses."}
	}
	if out.Account != "" && !strings.HasSuffix(out.Account, ":"+d.id) {
		return &fault.Error{Key: "object", Value: id, Msg: "the segment belongs to " + out.Account, Hint: "Correct config.ad_account_id, or take a segment of this account."}
	}
	return nil
}

// Check asks for the segment and refuses a mapping that does not fit its kind.
func (d *audience) Check(ctx context.Context, t activate.Target) error {
	if err := d.define(ctx, t.Object); err != nil {
		return err
	}
	known, needs := userFields, []string{"email", "google_aid"}
	if d.kind == companies {
		known, needs = companyFields, []string{"company_name"}
	}
	var l fault.List
	for _, f := range t.Fields {
		if f != t.Key && !slices.Contains(known, f) {
			l.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: "a segment of type " + d.kind + " has no such field", Hint: fault.DidYouMean(f, known)})
		}
	}
	if !slices.ContainsFunc(t.Fields, func(f string) bool { return slices.Contains(needs, f) }) {
		l.Add(&fault.Error{Key: "mapping", Msg: "nothing in it is enough to find a member", Hint: "Map " + strings.Join(needs, " or ") + " at least."})
	}
	return l.Or()
}

type userID struct {
	Type  string `json:"idType"`
	Value string `json:"idValue"`
}

// member is one element; who leaves is named by the same identifiers as who came.
type member struct {
	Action    string   `json:"action"`
	UserIDs   []userID `json:"userIds,omitempty"`
	FirstName string   `json:"firstName,omitempty"`
	LastName  string   `json:"lastName,omitempty"`
	Title     string   `json:"title,omitempty"`
	Company   string   `json:"company,omitempty"`
	Country   string   `json:"country,omitempty"`

	CompanyName   string `json:"companyName,omitempty"`
	CompanyDomain string `json:"companyDomain,omitempty"`
	CompanyPage   string `json:"companyPageUrl,omitempty"`
}

// value is a field in LinkedIn's normal form, and what is wrong with it, if anything.
func value(values map[string]json.RawMessage, name string, f adhash.Field, bad *[]string) string {
	v, err := adhash.Value(adhash.LinkedIn, f, canon.Text(values[name]), canon.Text(values["country"]))
	if err != nil && !errors.Is(err, adhash.ErrEmpty) {
		*bad = append(*bad, name+": "+err.Error())
	}
	if err != nil {
		return ""
	}
	return v
}

// ids are a person's identifiers.
func ids(values map[string]json.RawMessage) ([]userID, error) {
	var out []userID
	var bad []string
	if h := value(values, "email", adhash.FieldEmail, &bad); h != "" {
		out = append(out, userID{"SHA256_EMAIL", h})
	}
	if s := strings.TrimSpace(canon.Text(values["google_aid"])); s != "" {
		out = append(out, userID{"GOOGLE_AID", s})
	}
	switch {
	case len(out) > 0:
		return out, nil
	case len(bad) > 0:
		return nil, errors.New(strings.Join(bad, "; "))
	}
	return nil, errors.New("the row has no identifier")
}

func (d *audience) member(op activate.Op, values map[string]json.RawMessage) (member, error) {
	m := member{Action: map[activate.Op]string{activate.Add: "ADD", activate.Remove: "REMOVE"}[op]}
	if d.kind == companies {
		m.CompanyName, m.CompanyDomain, m.CompanyPage = plain(values, "company_name"), strings.ToLower(plain(values, "company_domain")), plain(values, "company_page_url")
		if m.CompanyName == "" {
			return m, errors.New("the row has no company_name")
		}
		return m, nil
	}
	who, err := ids(values)
	if err != nil {
		return m, err
	}
	action := m.Action
	m = describe(values)
	m.Action, m.UserIDs = action, who
	return m, nil
}

// describe is what helps to be sure of a person. It is left out where it is malformed: it identifies nobody.
func describe(values map[string]json.RawMessage) member {
	var bad []string
	return member{FirstName: value(values, "given_name", adhash.FieldGivenName, &bad), LastName: value(values, "family_name", adhash.FieldFamilyName, &bad),
		Country: value(values, "country", adhash.FieldCountry, &bad), Title: plain(values, "title"), Company: plain(values, "company")}
}

func plain(values map[string]json.RawMessage, f string) string {
	return strings.Join(strings.Fields(canon.Text(values[f])), " ")
}

// Send adds members or takes them out.
func (d *audience) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	if b.Op != activate.Add && b.Op != activate.Remove {
		return activate.Answer{}, fmt.Errorf("linkedin_audience cannot %s", b.Op)
	}
	if err := d.define(ctx, b.Target.Object); err != nil {
		return activate.Answer{}, err
	}
	var a activate.Answer
	var members []member
	var sent []activate.Row
	for _, r := range b.Rows {
		m, err := d.member(b.Op, r.Values)
		if err != nil {
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: "row", Message: err.Error()})
			continue
		}
		members, sent = append(members, m), append(sent, r)
	}
	if len(sent) == 0 {
		return a, nil
	}
	path := "/dmpSegments/" + b.Target.Object + map[string]string{users: "/users", companies: "/companies"}[d.kind]
	var out struct {
		Elements []element `json:"elements"`
	}
	resp, err := d.do(ctx, vendorapi.Call{Method: http.MethodPost, Path: path, Body: map[string]any{"elements": members}, Repeat: httpx.RepeatNever}, "BATCH_CREATE", "rw_dmp_segments", &out)
	if resp != nil {
		a.RequestID = resp.RequestID
	}
	if err != nil {
		// A new segment is not there for a while, though it can be looked at: nothing was written.
		var h *httpx.Error
		if errors.As(err, &h) && h.Status == http.StatusNotFound {
			h.Class, h.RetryAfter, h.Hint = httpx.Transient, appearing, "A segment that was just made takes up to two minutes to appear; the rows wait"
		}
		return activate.Answer{RequestID: a.RequestID}, err
	}
	results, err := d.attribute(sent, out.Elements, path)
	if err != nil {
		return activate.Answer{RequestID: a.RequestID}, err
	}
	a.Results = append(a.Results, results...)
	return a, nil
}
