package state

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestOverrides(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "state.db")
	db, err := Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)
	fine := func([]Override) error { return nil }
	merge := Override{Kind: "merge", Entity: "person", Left: []string{"h:contact:1"}, Right: []string{"h:contact:2"}, Author: "ada", Reason: "same person", At: at}
	block := Override{Kind: "block", Entity: "person", Attribute: "email", Value: "shared@x.example", Author: "ada", Reason: "shared", At: at}
	ids, err := db.Overrides.AddAll(ctx, []Override{merge, block}, fine)
	if err != nil || !slices.Equal(ids, []int64{1, 2}) {
		t.Fatalf("ids %v, %v", ids, err)
	}
	no := errors.New("contradicts")
	if _, err := db.Overrides.AddAll(ctx, []Override{merge, block}, func(active []Override) error {
		if len(active) == 3 { // the second one sees the first
			return no
		}
		return nil
	}); !errors.Is(err, no) {
		t.Fatalf("refusal: %v", err)
	}
	if err := db.Overrides.Revoke(ctx, 1, Revocation{Author: "bob", Reason: "two people", At: at.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := db.Overrides.Revoke(ctx, 1, Revocation{Author: "bob", Reason: "again", At: at}); !errors.Is(err, ErrNoOverride) {
		t.Errorf("revoked twice: %v", err)
	}
	if err := db.Overrides.Revoke(ctx, 9, Revocation{Author: "bob", Reason: "?", At: at}); !errors.Is(err, ErrNoOverride) {
		t.Errorf("revoked what is not there: %v", err)
	}
	list, err := db.Overrides.List(ctx)
	if err != nil || len(list) != 2 {
		t.Fatalf("list %v, %v: a refused batch must leave nothing", list, err)
	}
	if list[0].Revoked == nil || list[0].Revoked.Author != "bob" || list[1].Revoked != nil || !slices.Equal(list[0].Left, merge.Left) || list[1].Value != block.Value || !list[0].At.Equal(at) {
		t.Errorf("read back: %+v", list)
	}

	// P8: neither keys of records nor values stand in the file.
	db.Close()
	raw := []byte{}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if err == nil {
			raw = append(raw, b...)
		}
	}
	for _, secret := range []string{"h:contact:1", "shared@x.example"} {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("%s stands in the state file", secret)
		}
	}

	db, err = Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	n, err := db.Overrides.Forget(ctx, []string{"h:contact:2"}, []string{"shared@x.example"})
	if err != nil || n != 2 {
		t.Fatalf("forgot in %d, %v", n, err)
	}
	list, err = db.Overrides.List(ctx)
	if err != nil || len(list[0].Right) != 0 || !slices.Equal(list[0].Left, merge.Left) || list[1].Value != "" {
		t.Errorf("after forgetting: %+v %v", list, err)
	}
}

func TestTombstones(t *testing.T) {
	ctx := context.Background()
	db, err := Open(ctx, filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	other, err := Open(ctx, filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	key := db.Tombstones.KeyID("email", "ada@x.example")
	if key == other.Tombstones.KeyID("email", "ada@x.example") || key == db.Tombstones.KeyID("phone", "ada@x.example") {
		t.Error("tombstones of two projects, or of two kinds, must differ")
	}
	stone := Tombstone{KeyID: key, Kind: "email", Ticket: "T-1", At: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)}
	for range 2 {
		if err := db.Tombstones.Add(ctx, []Tombstone{stone}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := db.Tombstones.List(ctx)
	if err != nil || len(list) != 1 || list[0] != stone {
		t.Errorf("list %+v, %v", list, err)
	}
	if n, err := db.Tombstones.Remove(ctx, "T-1"); err != nil || n != 1 {
		t.Errorf("removed %d, %v", n, err)
	}
}
