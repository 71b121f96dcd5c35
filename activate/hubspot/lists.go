package hubspot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"millrace/activate"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
)

// Lists is the catalog's entry for members of static lists.
func Lists() activate.Connector {
	return activate.Connector{Name: "hubspot_list", Summary: "HubSpot static lists: records added and removed; object: the list's id",
		Options: func() any { return &Options{} }, Open: func(p activate.OpenParams) (activate.Destination, error) {
			d, err := open(p)
			if err != nil {
				return nil, err
			}
			return &list{portal: d.(*destination)}, nil
		}}
}

// What a member may be known by.
const (
	byRecord = "record_id"
	byEmail  = "email"
)

var digits = regexp.MustCompile(`^[0-9]{1,20}$`)

// list is a static list. The call that empties one is never made.
type list struct {
	portal *destination
	object string // type id of the list's records, once it is known
}

// Close drops the portal's connections.
func (l *list) Close() error { return l.portal.Close() }

// Capabilities declares a set with an answer about every member.
func (l *list) Capabilities(object string) (activate.Capabilities, error) {
	if !digits.MatchString(object) {
		return activate.Capabilities{}, &fault.Error{Key: "object", Value: object, Msg: "not the id of a list", Hint: "Write the ILS list ID, as HubSpot shows it under Lists, Details."}
	}
	c, err := l.portal.Capabilities("contacts")
	c.Ops, c.Undo, c.TellsNew = []activate.Op{activate.Add, activate.Remove}, activate.UndoInverse, false
	return c, err
}

func (l *list) path(id, rest string) string {
	if l.portal.opt.Version == "v3" {
		return l.portal.base() + "/crm/v3/lists/" + url.PathEscape(id) + rest
	}
	return l.portal.base() + "/crm/lists/" + l.portal.opt.Version + "/" + url.PathEscape(id) + rest
}

// Check asks for the list and refuses one whose members follow from filters, and a mapping without one identifier.
func (l *list) Check(ctx context.Context, t activate.Target) error {
	var faults fault.List
	for _, f := range t.Fields {
		if f != byRecord && f != byEmail && f != t.Key {
			faults.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: "a list has members, and no such field", Hint: fault.DidYouMean(f, []string{byRecord, byEmail})})
		}
	}
	if slices.Contains(t.Fields, byRecord) == slices.Contains(t.Fields, byEmail) {
		faults.Add(&fault.Error{Key: "mapping", Msg: "a member is known by one thing", Hint: "Map record_id (HubSpot's id), or email for lists of contacts."})
	}
	if err := faults.Or(); err != nil {
		return err
	}
	if l.portal.opt.Portal != "" {
		if err := l.portal.checkPortal(ctx); err != nil {
			return err
		}
	}
	resp, err := l.portal.client.Do(ctx, httpx.Request{URL: l.path(t.Object, ""), Judge: judge})
	if err != nil {
		var h *httpx.Error
		if asHTTP(err, &h) && h.Status == http.StatusNotFound {
			return &fault.Error{Key: "object", Value: t.Object, Msg: "the portal has no such list", Hint: "Write the ILS list ID, as HubSpot shows it under Lists, Details.", Err: err}
		}
		return explain(err, "crm.lists.read")
	}
	var out struct {
		List struct {
			Processing string `json:"processingType"`
			Type       string `json:"objectTypeId"`
		} `json:"list"`
	}
	if err := json.Unmarshal(resp.Body, &out); err != nil {
		return fmt.Errorf("hubspot: list %s cannot be read: %w", t.Object, err)
	}
	switch {
	case out.List.Processing == "DYNAMIC":
		return &fault.Error{Key: "object", Value: t.Object, Msg: "the members of this list follow from its filters", Hint: "Make a static list (MANUAL or SNAPSHOT)."}
	case out.List.Type == "":
		return fmt.Errorf("hubspot: list %s does not say what its members are", t.Object)
	case slices.Contains(t.Fields, byEmail) && out.List.Type != "0-1":
		return &fault.Error{Key: "mapping.email", Value: byEmail, Msg: "the list is of records of type " + out.List.Type + ", which are not known by e-mail", Hint: "Map record_id."}
	}
	l.object = out.List.Type
	return nil
}

// members finds the records of rows; rows without one get their result here.
func (l *list) members(ctx context.Context, b activate.Batch, a *activate.Answer) (map[string][]string, error) {
	rows := map[string][]string{} // record id → rows
	var look []activate.Row
	for _, r := range b.Rows {
		id, email := strings.TrimSpace(canon.Text(r.Values[byRecord])), strings.TrimSpace(canon.Text(r.Values[byEmail]))
		switch {
		case id != "" && !digits.MatchString(id):
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: "row", Message: "record_id is not the id of a HubSpot record"})
		case id != "":
			rows[id] = append(rows[id], r.ID)
		default:
			key, err := l.portal.NormalKey(activate.Target{Key: byEmail}, email)
			if err != nil {
				a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: "row", Message: "email: " + err.Error()})
				continue
			}
			look = append(look, activate.Row{ID: r.ID, Key: key})
		}
	}
	if len(look) == 0 {
		return rows, nil
	}
	found, err := l.portal.Read(ctx, activate.Target{Object: "contacts", Key: byEmail}, look)
	if err != nil {
		return nil, err
	}
	for _, r := range look {
		switch rec := found[r.ID]; {
		case rec.Exists:
			rows[rec.RemoteID] = append(rows[rec.RemoteID], r.ID)
		case b.Op == activate.Remove:
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Acked, Message: "the contact is not there any more, nor is its membership"})
		default:
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: "missing", Message: "the portal has no contact with this address"})
		}
	}
	return rows, nil
}

// Send adds members or removes them. Records that the answer calls missing are refused; of the others it is true that they
// are in now (or out), whether or not they were before.
func (l *list) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	what := map[activate.Op]string{activate.Add: "add", activate.Remove: "remove"}[b.Op]
	if what == "" {
		return activate.Answer{}, fmt.Errorf("hubspot_list cannot %s", b.Op)
	}
	var a activate.Answer
	rows, err := l.members(ctx, b, &a)
	if err != nil || len(rows) == 0 {
		return a, err
	}
	ids := make([]string, 0, len(rows))
	for id := range rows {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	body, err := encode(ids)
	if err != nil {
		return activate.Answer{}, err
	}
	resp, err := l.portal.client.Do(ctx, httpx.Request{Method: http.MethodPut, URL: l.path(b.Target.Object, "/memberships/"+what), Body: body,
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}, Repeat: httpx.RepeatNever, Judge: judge})
	if err != nil {
		return activate.Answer{}, explain(err, "crm.lists.write")
	}
	a.RequestID = resp.RequestID
	var out map[string]json.RawMessage
	if err := json.Unmarshal(resp.Body, &out); err != nil {
		return activate.Answer{}, fmt.Errorf("hubspot: the answer to a change of list %s cannot be read, so it is not known what it did: %w", b.Target.Object, err)
	}
	missing, told := map[string]bool{}, false
	for _, name := range []string{"recordsIdsAdded", "recordIdsAdded", "recordIdsRemoved", "recordsIdsRemoved", "recordIdsMissing"} { // some are spelled so
		list, ok := out[name]
		told = told || ok
		if name != "recordIdsMissing" || !ok {
			continue
		}
		var gone []json.RawMessage
		if err := json.Unmarshal(list, &gone); err != nil {
			return activate.Answer{}, errors.New("hubspot: the list of missing records cannot be read, so it is not known who is in the list")
		}
		for _, x := range gone {
			missing[canon.Text(x)] = true
		}
	}
	if !told {
		return activate.Answer{}, &httpx.Error{Class: httpx.Unknown, Method: http.MethodPut, URL: l.path(b.Target.Object, "/memberships/"+what), Status: resp.Status, Message: "a success that says nothing about members"}
	}
	for _, id := range ids {
		for _, row := range rows[id] {
			r := activate.Result{ID: row, Status: activate.Acked}
			if missing[id] && b.Op == activate.Add {
				r = activate.Result{ID: row, Status: activate.Rejected, Class: "missing", Message: "the portal has no record " + id + " of this kind"}
			}
			a.Results = append(a.Results, r)
		}
	}
	return a, nil
}
