package meta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"millrace/activate"
	"millrace/internal/adhash"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/vendorapi"
)

// identifier is one thing by which Meta finds a person: as a mapping names it, as an audience names it, as an event does.
type identifier struct {
	field      adhash.Field
	key, event string
}

// identifiers in the order in which an audience's columns are written. A date of birth is three columns of an audience and
// one value of an event.
var identifiers = []identifier{
	{adhash.FieldEmail, "EMAIL", "em"}, {adhash.FieldPhone, "PHONE", "ph"}, {adhash.FieldGivenName, "FN", "fn"}, {adhash.FieldFamilyName, "LN", "ln"}, {adhash.FieldCity, "CT", "ct"},
	{adhash.FieldState, "ST", "st"}, {adhash.FieldPostal, "ZIP", "zp"}, {adhash.FieldCountry, "COUNTRY", "country"}, {adhash.FieldGender, "GEN", "ge"},
	{adhash.FieldBirthYear, "DOBY", ""}, {adhash.FieldBirthMonth, "DOBM", ""}, {adhash.FieldBirthDay, "DOBD", ""}, {adhash.FieldBirthDate, "", "db"},
	{adhash.FieldExternalID, "EXTERN_ID", "external_id"}, {adhash.FieldMobileID, "MADID", "madid"},
}

// strong are the identifiers that find a person alone; a name, a code and a country do not.
var strong = []adhash.Field{adhash.FieldEmail, adhash.FieldPhone, adhash.FieldExternalID, adhash.FieldMobileID}

func strongNames() string { return "email, phone, external_id, mobile_ad_id" }

// mappable are the names of fields that a mapping may have.
func mappable() []string {
	var out []string
	for _, f := range adhash.Fields(adhash.Meta) {
		if f != adhash.FieldBirthYear && f != adhash.FieldBirthMonth && f != adhash.FieldBirthDay { // made of birth_date
			out = append(out, string(f))
		}
	}
	return out
}

func isStrong(f string) bool { return slices.Contains(strong, adhash.Field(f)) }

func checkPeople(t activate.Target) error {
	var l fault.List
	for _, f := range t.Fields {
		if f != t.Key && !slices.Contains(mappable(), f) {
			l.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: "Meta finds nobody by this", Hint: fault.DidYouMean(f, mappable())})
		}
	}
	if !slices.ContainsFunc(t.Fields, isStrong) {
		l.Add(&fault.Error{Key: "mapping", Msg: "nothing in it finds a person alone", Hint: "Map one of " + strongNames() + " at least."})
	}
	return l.Or()
}

// identify gives a row's identifiers as Meta wants them. What is empty or malformed is left out; a row of which nothing is
// left that finds a person is refused.
func identify(values map[string]json.RawMessage, region string) (map[adhash.Field]string, error) {
	out := map[adhash.Field]string{}
	var bad []string
	found := false
	country := canon.Text(values[string(adhash.FieldCountry)])
	if country == "" {
		country = region
	}
	for _, i := range identifiers {
		from := i.field
		if from == adhash.FieldBirthYear || from == adhash.FieldBirthMonth || from == adhash.FieldBirthDay {
			from = adhash.FieldBirthDate
		}
		v, ok := values[string(from)]
		if !ok {
			continue
		}
		h, err := adhash.Value(adhash.Meta, i.field, canon.Text(v), country)
		switch {
		case errors.Is(err, adhash.ErrEmpty):
		case err != nil:
			bad = append(bad, string(from)+": "+err.Error())
		default:
			out[i.field] = h
			found = found || slices.Contains(strong, i.field)
		}
	}
	switch {
	case found:
		return out, nil
	case len(bad) > 0:
		return nil, errors.New(strings.Join(bad, "; "))
	}
	return nil, errors.New("the row has no identifier")
}

type audience struct {
	*account
	opt AudienceOptions
}

// Capabilities declares a set of people that is counted, not answered for one by one.
func (d *audience) Capabilities(object string) (activate.Capabilities, error) {
	if !digits.MatchString(object) {
		return activate.Capabilities{}, &fault.Error{Key: "object", Value: object, Msg: "not the id of a custom audience", Hint: "Copy it from Audiences in Ads Manager."}
	}
	return activate.Capabilities{Account: d.id, Ops: []activate.Op{activate.Add, activate.Remove}, MaxBatch: maxUsers, Repeat: true, Undo: activate.UndoInverse, PerSecond: 1, MinPeople: minAudience}, nil
}

// Check asks Meta about the account, the permission and the audience, and refuses a mapping that finds nobody.
func (d *audience) Check(ctx context.Context, t activate.Target) error {
	if err := checkPeople(t); err != nil {
		return err
	}
	if err := d.permitted(ctx); err != nil {
		return err
	}
	var act struct {
		Terms map[string]int `json:"tos_accepted"`
	}
	if _, err := d.do(ctx, vendorapi.Call{Path: "/act_" + d.id, Query: url.Values{"fields": {"name,account_status,tos_accepted"}}}, &act); err != nil {
		return err
	}
	if act.Terms["custom_audience_tos"] != 1 {
		return &fault.Error{Key: "config.ad_account_id", Value: d.id, Msg: "the account has not accepted the terms of custom audiences", Hint: "Accept them at https://business.facebook.com/ads/manage/customaudiences/tos/?act=" + d.id + "."}
	}
	return d.exists(ctx, t.Object, "custom audience", "id,name,operation_status")
}

type payload struct {
	Schema []string   `json:"schema"`
	Data   [][]string `json:"data"`
}

type session struct {
	ID    uint64 `json:"session_id"`
	Seq   int    `json:"batch_seq"`
	Last  bool   `json:"last_batch_flag"`
	Total int    `json:"estimated_num_total"`
}

// Send hands people over. Those that Meta shows among its invalid ones are refused; the rest is accepted under the
// session, which only counts.
func (d *audience) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	if b.Op != activate.Add && b.Op != activate.Remove {
		return activate.Answer{}, fmt.Errorf("meta_audience cannot %s", b.Op)
	}
	if err := d.spare(); err != nil {
		return activate.Answer{}, err
	}
	var a activate.Answer
	var sent []activate.Row
	var people []map[adhash.Field]string
	used := map[adhash.Field]bool{}
	sum := fnv.New64a()
	sum.Write([]byte(b.Op))
	for _, r := range b.Rows {
		ids, err := identify(r.Values, d.opt.Region)
		if err == nil {
			if v := strings.TrimSpace(canon.Text(r.Values[string(adhash.FieldExternalID)])); v != "" {
				ids[adhash.FieldExternalID] = v // an audience takes it plain, an event hashed
			}
		}
		if err != nil {
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: "row", Message: err.Error()})
			continue
		}
		for n := range ids {
			used[n] = true
		}
		sum.Write([]byte(r.ID))
		sent, people = append(sent, r), append(people, ids)
	}
	if len(sent) == 0 {
		return a, nil
	}
	p := payload{}
	for _, i := range identifiers {
		if used[i.field] && i.key != "" {
			p.Schema = append(p.Schema, i.key)
		}
	}
	at := map[string][]int{} // rows by their line; two rows may be one person
	for n, ids := range people {
		var line []string
		for _, i := range identifiers {
			if used[i.field] && i.key != "" {
				line = append(line, ids[i.field]) // empty where the row has none: never the hash of nothing
			}
		}
		k, err := vendorapi.JSON(line)
		if err != nil {
			return activate.Answer{}, err
		}
		at[string(k)] = append(at[string(k)], n)
		p.Data = append(p.Data, line)
	}
	// The session's number follows from the rows: the same batch sent again after a lost answer is the same session.
	s := session{ID: sum.Sum64() >> 1, Seq: 1, Last: true, Total: len(sent)}
	method := map[activate.Op]string{activate.Add: http.MethodPost, activate.Remove: http.MethodDelete}[b.Op]
	var out struct {
		Session  json.RawMessage `json:"session_id"`
		Received *int            `json:"num_received"`
		Invalid  int             `json:"num_invalid_entries"`
		Samples  json.RawMessage `json:"invalid_entry_samples"`
	}
	resp, err := d.do(ctx, vendorapi.Call{Method: method, Path: "/" + url.PathEscape(b.Target.Object) + "/users", Body: map[string]any{"payload": p, "session": s}, Repeat: httpx.RepeatNever}, &out)
	if resp != nil {
		a.RequestID = resp.RequestID
	}
	if err != nil {
		return activate.Answer{RequestID: a.RequestID}, err
	}
	if out.Received == nil || *out.Received != len(sent) {
		return activate.Answer{RequestID: a.RequestID}, &httpx.Error{Class: httpx.Unknown, Method: method, URL: d.api.Base + "/" + b.Target.Object + "/users", Status: resp.Status, Message: "a success that does not say that it received the batch"}
	}
	a.JobID = b.Target.Object + "/" + strconv.FormatUint(s.ID, 10)
	refused := map[int]string{}
	var samples map[string]json.RawMessage
	if json.Unmarshal(out.Samples, &samples) == nil { // an empty one comes as a list
		for line, why := range samples {
			for _, n := range at[line] {
				refused[n] = canon.Text(why)
			}
		}
	}
	for n, r := range sent {
		res := activate.Result{ID: r.ID, Status: activate.Accepted}
		if why, bad := refused[n]; bad {
			res = activate.Result{ID: r.ID, Status: activate.Rejected, Class: "row", Message: "Meta cannot use it: " + why}
		}
		a.Results = append(a.Results, res)
	}
	if len(refused) == len(sent) {
		a.JobID = ""
	}
	return a, nil
}

// Poll asks how a session went. Invalid entries that were shown with their rows are not among rows, which are the
// session's accepted ones; only the others are a shortfall.
func (d *audience) Poll(ctx context.Context, jobID string, rows int) (activate.JobStatus, error) {
	audience, id, _ := strings.Cut(jobID, "/")
	type number = json.RawMessage // the specification says text; some answers hold numbers
	var out struct {
		Data []struct {
			ID       number `json:"session_id"`
			Received number `json:"num_received"`
			Invalid  number `json:"num_invalid_entries"`
			Matched  number `json:"num_matched"`
			Progress number `json:"progress"`
			Stage    string `json:"stage"`
			End      number `json:"end_time"`
		} `json:"data"`
	}
	if _, err := d.do(ctx, vendorapi.Call{Path: "/" + url.PathEscape(audience) + "/sessions", Query: url.Values{"session_id": {id}}, Repeat: httpx.RepeatSafe}, &out); err != nil {
		return activate.JobStatus{}, err
	}
	num := func(v number) int { n, _ := strconv.Atoi(canon.Text(v)); return n }
	for _, s := range out.Data {
		if canon.Text(s.ID) != id {
			continue
		}
		if end := canon.Text(s.End); (end == "" || end == "0") && canon.Text(s.Progress) != "100" {
			return activate.JobStatus{}, nil
		}
		taken := max(0, min(rows, num(s.Received)-num(s.Invalid)))
		st := activate.JobStatus{Done: true, Reported: &taken}
		if taken < rows {
			st.Message = strconv.Itoa(num(s.Invalid)) + " of " + strconv.Itoa(num(s.Received)) + " entries are invalid, and Meta does not say which"
		}
		return st, nil
	}
	return activate.JobStatus{}, nil // a session appears some time after its upload
}
