package slack

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strconv"
	"strings"

	"millrace/internal/twin/store"
	"millrace/internal/twin/wire"
)

func newMultipart(body []byte, boundary string) *multipart.Reader {
	return multipart.NewReader(bytes.NewReader(body), boundary)
}

func cursorText(n int) string {
	return base64.StdEncoding.EncodeToString([]byte("next:" + strconv.Itoa(n)))
}

func cursorOf(s string) (int, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return 0, err
	}
	n, ok := strings.CutPrefix(string(b), "next:")
	if !ok {
		return 0, fmt.Errorf("not a cursor")
	}
	return strconv.Atoi(n)
}

func renderChannel(c *store.Channel) result {
	none := result{"value": "", "creator": "", "last_set": 0}
	return result{
		"id": c.ID, "name": c.Name, "name_normalized": c.Name, "is_channel": true, "is_group": false, "is_im": false, "is_mpim": false, "is_private": false, "is_archived": c.Archived,
		"is_general": c.Name == "general", "is_member": c.Member, "is_shared": false, "is_org_shared": false, "is_ext_shared": false, "is_pending_ext_shared": false, "unlinked": 0,
		"created": c.Created.Unix(), "creator": "U0TWIN0001", "num_members": 7, "topic": none, "purpose": none, "previous_names": []any{}, "pending_shared": []any{}, "parent_conversation": nil,
	}
}

func (a *API) channels(in args) (result, error) {
	limit, offset, err := page(in, 100, 1000)
	if err != nil {
		return nil, err
	}
	list, next := []any{}, ""
	a.db.View(func(s *store.State) {
		var all []*store.Channel
		for i := range s.Chat.Channels {
			if c := &s.Chat.Channels[i]; !c.Archived || in["exclude_archived"] != "true" {
				all = append(all, c)
			}
		}
		end := min(offset+limit, len(all))
		for _, c := range all[min(offset, len(all)):end] {
			list = append(list, renderChannel(c))
		}
		if end < len(all) {
			next = cursorText(end)
		}
	})
	return result{"channels": list, "response_metadata": result{"next_cursor": next}}, nil
}

func (a *API) channelInfo(in args) (result, error) {
	var out result
	a.db.View(func(s *store.State) {
		if c := s.Chat.Channel(in["channel"]); c != nil {
			out = result{"channel": renderChannel(c)}
		}
	})
	if out == nil {
		return nil, bad("channel_not_found")
	}
	return out, nil
}

// history is a channel's messages, newest first, without replies; with a thread, the thread's, oldest first.
func (a *API) history(in args, thread string) (result, error) {
	limit, offset, err := page(in, 100, 999)
	if err != nil {
		return nil, err
	}
	list, next := []any{}, ""
	a.db.View(func(s *store.State) {
		c := s.Chat
		ch := c.Channel(in["channel"])
		switch {
		case ch == nil || ch.ID != in["channel"]: // names are not taken here
			err = bad("channel_not_found")
			return
		case !ch.Member:
			err = bad("not_in_channel")
			return
		}
		var all []*store.Message
		for i := range c.Messages {
			m := c.Messages[len(c.Messages)-1-i]
			if thread != "" {
				m = c.Messages[i]
			}
			switch {
			case m.Channel != ch.ID, thread == "" && m.Thread != "", thread != "" && m.Thread != thread && m.TS != thread,
				in["oldest"] != "" && !later(m.TS, in["oldest"], in["inclusive"] == "true"), in["latest"] != "" && !later(in["latest"], m.TS, in["inclusive"] == "true"):
			default:
				all = append(all, m)
			}
		}
		end := min(offset+limit, len(all))
		for _, m := range all[min(offset, len(all)):end] {
			r := render(c, m, in["include_all_metadata"] == "true" || in["include_all_metadata"] == "1")
			if n := replyCount(c, m); n > 0 {
				r["reply_count"], r["thread_ts"] = n, m.TS
			}
			list = append(list, r)
		}
		if end < len(all) {
			next = cursorText(end)
		}
	})
	if err != nil {
		return nil, err
	}
	out := result{"messages": list, "has_more": next != "", "pin_count": 0, "channel_actions_ts": nil, "channel_actions_count": 0}
	if next != "" {
		out["response_metadata"] = result{"next_cursor": next}
	}
	return out, nil
}

func later(a, b string, same bool) bool {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && (x > y || same && a == b)
}

func replyCount(c *store.Chat, m *store.Message) (n int) {
	for _, r := range c.Messages {
		if r.Channel == m.Channel && r.Thread == m.TS {
			n++
		}
	}
	return n
}

func (a *API) replies(in args) (result, error) {
	found := false
	a.db.View(func(s *store.State) { found = s.Chat.Message(in["channel"], in["ts"]) != nil })
	if !found {
		return nil, bad("thread_not_found")
	}
	return a.history(in, in["ts"])
}

func renderFile(c *store.Chat, f *store.File) result {
	kind := strings.TrimPrefix(path.Ext(f.Name), ".")
	out := result{
		"id": f.ID, "created": f.At.Unix(), "timestamp": f.At.Unix(), "name": f.Name, "title": f.Title, "mimetype": mime.TypeByExtension(path.Ext(f.Name)), "filetype": kind,
		"pretty_type": strings.ToUpper(kind), "user": c.BotUser, "size": f.Size, "mode": "hosted", "is_external": false, "is_public": true, "channels": []string{},
		"url_private": "https://files.slack.com/files-pri/" + c.TeamID + "-" + f.ID + "/" + f.Name, "permalink": "https://millstone.slack.com/files/" + c.BotUser + "/" + f.ID + "/" + f.Name,
	}
	if f.Channel != "" {
		out["channels"] = []string{f.Channel}
	}
	return out
}

func (a *API) uploadURL(r *http.Request, in args) (result, error) {
	length, err := strconv.ParseInt(in["length"], 10, 64)
	if err != nil || length < 1 || in["filename"] == "" {
		return nil, wrong("invalid_arguments", "[ERROR] filename and length are required")
	}
	var out result
	err = a.db.Update(a.meta(r), func(tx *store.Tx) error {
		id := fmt.Sprintf("F0TWIN%05d", tx.Seq())
		if err := tx.Commit(store.Effect{Kind: "chat.upload", Object: "files", ID: id, Text: in["filename"], Count: [3]int64{length}}); err != nil {
			return err
		}
		out = result{"upload_url": wire.Base(r) + "/upload/v1/" + id, "file_id": id}
		return nil
	})
	return out, err
}

// upload takes the bytes of a file, as they are or as the first file of a form.
func (a *API) upload(w http.ResponseWriter, r *http.Request, id string) {
	body, err := wire.Body(r)
	if kind, params, e := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && e == nil && kind == "multipart/form-data" {
		p, e := newMultipart(body, params["boundary"]).NextPart()
		if e == nil {
			body, err = io.ReadAll(p)
		} else {
			err = e
		}
	}
	if err == nil && r.Method != http.MethodPost {
		err = fmt.Errorf("use POST")
	}
	if err == nil {
		err = a.db.Update(a.meta(r), func(tx *store.Tx) error {
			f := tx.State().Chat.File(id)
			if f == nil || f.Done {
				return fmt.Errorf("there is no upload %s", id)
			}
			if int64(len(body)) != f.Size {
				return fmt.Errorf("the upload has %d bytes, %d were announced", len(body), f.Size)
			}
			sum := sha256.Sum256(body)
			return tx.Commit(store.Effect{Kind: "chat.bytes", Object: "files", ID: id, Bytes: body, Text: hex.EncodeToString(sum[:])})
		})
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, err.Error()+"\n")
		return
	}
	fmt.Fprintf(w, "OK - %d", len(body))
}

func (a *API) completeUpload(r *http.Request, in args) (result, error) {
	var files []struct {
		ID    string `json:"id"`
		Title string `json:"title"`
	}
	if json.Unmarshal([]byte(in["files"]), &files) != nil || len(files) == 0 {
		return nil, wrong("invalid_arguments", "[ERROR] files must be a JSON array of objects with id")
	}
	out := []any{}
	err := a.db.Update(a.meta(r), func(tx *store.Tx) error {
		c := tx.State().Chat
		channel := in["channel_id"]
		if channel != "" {
			ch, err := open(c, channel)
			if err != nil {
				return err
			}
			channel = ch.ID
		}
		var effects []store.Effect
		var ids []string
		for _, x := range files {
			f := c.File(x.ID)
			switch {
			case f == nil:
				return bad("file_not_found")
			case f.SHA256 == "":
				return bad("file_upload_not_complete")
			case f.Done:
				return bad("file_already_completed")
			}
			title := x.Title
			if title == "" {
				title = f.Name
			}
			ids = append(ids, f.ID)
			effects = append(effects, store.Effect{Kind: "chat.complete", Object: "files", ID: f.ID, To: channel, Text: title})
		}
		if channel != "" {
			fields := map[string]string{"text": in["initial_comment"]}
			if t := in["thread_ts"]; t != "" {
				if c.Message(channel, t) == nil {
					return bad("invalid_thread_ts")
				}
				fields["thread_ts"] = t
			}
			effects = append(effects, store.Effect{Kind: "chat.post", Object: channel, ID: stamp(tx), Fields: fields, IDs: ids})
		}
		if err := tx.Commit(effects...); err != nil {
			return err
		}
		for _, id := range ids {
			out = append(out, renderFile(c, c.File(id)))
		}
		return nil
	})
	return result{"files": out}, err
}

func (a *API) fileInfo(in args) (result, error) {
	var out result
	a.db.View(func(s *store.State) {
		if f := s.Chat.File(in["file"]); f != nil && f.Done {
			out = result{"file": renderFile(s.Chat, f), "comments": []any{}, "response_metadata": result{"next_cursor": ""}}
		}
	})
	if out == nil {
		return nil, bad("file_not_found")
	}
	return out, nil
}
