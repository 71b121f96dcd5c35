package hubspot

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"millrace/activate"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
)

// Associations is the catalog's entry for links between records.
func Associations() activate.Connector {
	return activate.Connector{Name: "hubspot_associations", Summary: "HubSpot associations: links between records made and taken away; object: contacts/companies and the like",
		Options: func() any { return &Options{} }, Open: func(p activate.OpenParams) (activate.Destination, error) {
			d, err := open(p)
			if err != nil {
				return nil, err
			}
			return &links{d.(*destination)}, nil
		}}
}

// The ends of a link, as a mapping names them.
const (
	fromID = "from_id"
	toID   = "to_id"
)

// links are the default (unlabelled) associations of two kinds of object. A link that is taken away loses its labels too.
type links struct{ portal *destination }

// Close drops the portal's connections.
func (l *links) Close() error { return l.portal.Close() }

func ends(object string) (from, to string, ok bool) {
	from, to, ok = strings.Cut(object, "/")
	return from, to, ok && from != "" && to != "" && !strings.ContainsAny(object, "?# ") && !strings.Contains(to, "/")
}

// Capabilities declares a set of links.
func (l *links) Capabilities(object string) (activate.Capabilities, error) {
	if _, _, ok := ends(object); !ok {
		return activate.Capabilities{}, &fault.Error{Key: "object", Value: object, Msg: "not two kinds of object", Hint: "Write contacts/companies, deals/contacts or the like."}
	}
	c, err := l.portal.Capabilities("contacts")
	c.Ops, c.Undo, c.TellsNew = []activate.Op{activate.Add, activate.Remove}, activate.UndoInverse, false
	return c, err
}

func (l *links) path(object, rest string) string {
	from, to, _ := ends(object)
	if l.portal.opt.Version == "v3" {
		return l.portal.base() + "/crm/v4/associations/" + url.PathEscape(from) + "/" + url.PathEscape(to) + rest
	}
	return l.portal.base() + "/crm/associations/" + l.portal.opt.Version + "/" + url.PathEscape(from) + "/" + url.PathEscape(to) + rest
}

// Check refuses a mapping that is no link, and asks whether the two kinds can be linked.
func (l *links) Check(ctx context.Context, t activate.Target) error {
	var faults fault.List
	for _, f := range t.Fields {
		if f != fromID && f != toID && f != t.Key {
			faults.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: "a link has two ends, and no such field", Hint: fault.DidYouMean(f, []string{fromID, toID})})
		}
	}
	for _, f := range []string{fromID, toID} {
		if !slices.Contains(t.Fields, f) {
			faults.Add(&fault.Error{Key: "mapping." + f, Msg: "a link has two ends", Hint: "Map from_id and to_id from columns that hold HubSpot's record ids."})
		}
	}
	if err := faults.Or(); err != nil {
		return err
	}
	if l.portal.opt.Portal != "" {
		if err := l.portal.checkPortal(ctx); err != nil {
			return err
		}
	}
	resp, err := l.portal.client.Do(ctx, httpx.Request{URL: l.path(t.Object, "/labels"), Judge: judge})
	if err != nil {
		var h *httpx.Error
		if asHTTP(err, &h) && h.Class == httpx.Permanent {
			return &fault.Error{Key: "object", Value: t.Object, Msg: "HubSpot does not link these kinds of object", Hint: "Write the kinds by their names or type ids: contacts/companies, deals/contacts, contacts/2-12345.", Err: err}
		}
		return explain(err, "crm.objects.read of both kinds")
	}
	var out struct {
		Results []struct {
			TypeID int `json:"typeId"`
		} `json:"results"`
	}
	if err := json.Unmarshal(resp.Body, &out); err != nil {
		return fmt.Errorf("hubspot: the kinds of links of %s cannot be read: %w", t.Object, err)
	}
	if len(out.Results) == 0 || out.Results[0].TypeID == 0 {
		return &fault.Error{Key: "object", Value: t.Object, Msg: "HubSpot has no link between these kinds of object", Hint: "Turn them round, or write other kinds."}
	}
	return nil
}

type ref struct {
	ID string `json:"id"`
}

// Send makes links or takes them away. A link that is there already stays; one that is gone stays gone.
func (l *links) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	if b.Op != activate.Add && b.Op != activate.Remove {
		return activate.Answer{}, fmt.Errorf("hubspot_associations cannot %s", b.Op)
	}
	var a activate.Answer
	var inputs []any
	pairs := map[[2]string][]string{}
	for _, r := range b.Rows {
		p := [2]string{strings.TrimSpace(canon.Text(r.Values[fromID])), strings.TrimSpace(canon.Text(r.Values[toID]))}
		if !digits.MatchString(p[0]) || !digits.MatchString(p[1]) {
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: "row", Message: "from_id and to_id must be ids of HubSpot records"})
			continue
		}
		if pairs[p] == nil {
			if b.Op == activate.Add {
				inputs = append(inputs, map[string]ref{"from": {p[0]}, "to": {p[1]}})
			} else {
				inputs = append(inputs, map[string]any{"from": ref{p[0]}, "to": []ref{{p[1]}}})
			}
		}
		pairs[p] = append(pairs[p], r.ID)
	}
	if len(inputs) == 0 {
		return a, nil
	}
	path := l.path(b.Target.Object, map[activate.Op]string{activate.Add: "/batch/associate/default", activate.Remove: "/batch/archive"}[b.Op])
	body, err := encode(map[string]any{"inputs": inputs})
	if err != nil {
		return activate.Answer{}, err
	}
	resp, err := l.portal.client.Do(ctx, httpx.Request{Method: http.MethodPost, URL: path, Body: body, Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}, Repeat: httpx.RepeatNever, Judge: judge})
	if err != nil {
		return activate.Answer{}, explain(err, "crm.objects.write of both kinds")
	}
	a.RequestID = resp.RequestID
	if resp.Status == http.StatusNoContent { // the answer is about the batch, and holds for each of its links
		for _, rows := range pairs {
			for _, id := range rows {
				a.Results = append(a.Results, activate.Result{ID: id, Status: activate.Acked})
			}
		}
		return a, nil
	}
	linked, refused, err := readLinks(resp.Body)
	if err != nil {
		return activate.Answer{}, err
	}
	if len(linked)+len(refused) == 0 {
		return activate.Answer{}, &httpx.Error{Class: httpx.Unknown, Method: http.MethodPost, URL: path, Status: resp.Status, Message: "a success that says nothing about links"}
	}
	for p, rows := range pairs { // pairs that the answer does not mention are left out: they are unknown
		for _, id := range rows {
			if x, bad := refused[p]; bad && !linked[p] {
				r := refusal(x)
				r.ID = id
				a.Results = append(a.Results, r)
			} else if linked[p] {
				a.Results = append(a.Results, activate.Result{ID: id, Status: activate.Acked})
			}
		}
	}
	return a, nil
}

// readLinks reads the pairs that an answer is about, in both of its forms.
func readLinks(body []byte) (linked map[[2]string]bool, refused map[[2]string]detail, err error) {
	type end struct {
		ID json.RawMessage `json:"id"`
	}
	var out struct {
		Results []struct {
			From     end             `json:"from"`
			To       end             `json:"to"`
			FromLong json.RawMessage `json:"fromObjectId"`
			ToLong   json.RawMessage `json:"toObjectId"`
		} `json:"results"`
		Errors []detail `json:"errors"`
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, nil, fmt.Errorf("hubspot: the answer to a batch of links cannot be read, so it is not known what was linked: %w", err)
	}
	linked, refused = map[[2]string]bool{}, map[[2]string]detail{}
	text := func(a, b json.RawMessage) string {
		if s := canon.Text(a); s != "" {
			return s
		}
		return canon.Text(b)
	}
	for _, r := range out.Results {
		linked[[2]string{text(r.From.ID, r.FromLong), text(r.To.ID, r.ToLong)}] = true
	}
	for _, x := range out.Errors {
		from, to := x.Context["fromObjectId"], x.Context["toObjectId"]
		if len(from) == 1 && len(to) == 1 {
			refused[[2]string{from[0], to[0]}] = x
		}
	}
	return linked, refused, nil
}
