package store

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"time"

	"millrace/internal/fault"
)

// Day is the layout of dates in headers, commits and controls.
const Day = "2006-01-02"

// Market makes the world of a header and moves it on. internal/twin/market implements it.
type Market interface {
	// Generate makes the world as it stands at the start of the header's date.
	Generate(h Header) (*State, error)
	// Advance plays the days up to date.
	Advance(s *State, date time.Time)
}

// DB is the state with its lock and its log. Readers run together; a write has it to itself until it is durable.
type DB struct {
	mu  sync.RWMutex
	st  *State
	log *Log // nil: in memory only
	mk  Market
	seq int64
	hdr Header

	closed bool
}

// Open opens the twin in dir, or makes one there. An empty dir keeps everything in memory. When dir holds a twin, its own
// seed, size and start are taken; asking for different ones is an error, since the answers would not be those asked for.
func Open(dir string, asked, defaults Header, mk Market) (*DB, error) {
	want := Header{Format: 1, Seed: cmp.Or(asked.Seed, defaults.Seed), Size: cmp.Or(asked.Size, defaults.Size), Start: cmp.Or(asked.Start, defaults.Start)}
	db := &DB{mk: mk}
	onHeader := func(h Header) error {
		if asked.Seed != 0 && h.Seed != asked.Seed || asked.Size != "" && h.Size != asked.Size || asked.Start != "" && h.Start != asked.Start {
			return &fault.Error{
				File: dir, Msg: fmt.Sprintf("the folder holds a twin of size %s, seed %d, from %s", h.Size, h.Seed, h.Start),
				Hint: "Give these, leave them out, or take another folder.",
			}
		}
		var err error
		db.hdr = h
		db.st, err = mk.Generate(h)
		return err
	}
	if dir == "" {
		return db, onHeader(want)
	}
	l, err := openLog(dir, want, onHeader, func(c Commit) error {
		db.seq = c.Seq
		return db.carryOut(c)
	})
	if err != nil {
		return nil, err
	}
	db.log = l
	return db, nil
}

// Header says what the market was made from.
func (db *DB) Header() Header { return db.hdr }

// Close releases the log. The state stays readable.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.closed = true
	if db.log == nil {
		return nil
	}
	err := db.log.Close()
	db.log = nil
	return err
}

// View runs fn over a state that no write changes meanwhile.
func (db *DB) View(fn func(*State)) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	fn(db.st)
}

// Meta says where a write came from.
type Meta struct {
	Vendor  string
	Request string // method and path
	Key     string // idempotency key
}

// Tx is one write under the lock.
type Tx struct {
	db   *DB
	meta Meta
}

// Update runs fn with the state to itself. fn reads, checks, and calls Commit at most once for what it wants changed.
func (db *DB) Update(m Meta, fn func(*Tx) error) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return fn(&Tx{db: db, meta: m})
}

// State is the current state; it shows a commit's effects once Commit returned nil.
func (tx *Tx) State() *State { return tx.db.st }

// Seq is the number the next commit will have.
func (tx *Tx) Seq() int64 { return tx.db.seq + 1 }

// Commit makes the effects durable and then visible. After an error nothing has changed. No effects: nothing happens.
func (tx *Tx) Commit(effects ...Effect) error {
	if len(effects) == 0 {
		return nil
	}
	return tx.db.commit(Commit{Vendor: tx.meta.Vendor, Request: tx.meta.Request, Key: tx.meta.Key, Effects: effects})
}

// Advance plays the market to a date. A date that is not later changes nothing.
func (db *DB) Advance(date time.Time) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if !date.After(db.st.Date) {
		return nil
	}
	return db.commit(Commit{Advance: date.Format(Day)})
}

func (db *DB) commit(c Commit) error {
	if db.closed {
		return errors.New("the twin is closed")
	}
	c.Seq, c.At = db.seq+1, db.st.Now().Add(time.Millisecond)
	if db.log != nil {
		if err := db.log.append(c); err != nil {
			return err
		}
	}
	db.seq = c.Seq
	return db.carryOut(c)
}

func (db *DB) carryOut(c Commit) error {
	if c.Advance == "" {
		return db.st.apply(c)
	}
	date, err := time.Parse(Day, c.Advance)
	if err != nil {
		return err
	}
	db.mk.Advance(db.st, date)
	db.st.SetDate(date)
	return nil
}

// Reset forgets every write and every advance: the market as it was made.
func (db *DB) Reset() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.log != nil {
		if err := db.log.restart(db.hdr); err != nil {
			return err
		}
	}
	st, err := db.mk.Generate(db.hdr)
	if err != nil {
		return err
	}
	db.st, db.seq = st, 0
	return nil
}

// Now is the logical time that the next commit will carry.
func (tx *Tx) Now() time.Time { return tx.db.st.Now().Add(time.Millisecond) }
