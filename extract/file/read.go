package file

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"sync"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/fault"
)

// Limits of one batch, and of how often a checkpoint is made: it lists every file, so not with each small batch.
const (
	batchRows       = 4096
	batchBytes      = 1 << 20
	checkpointRows  = 50_000
	checkpointFiles = 64
)

// maxRecord is the longest line or row, in bytes. Longer ones are handed on as bad rows.
const maxRecord = 64 << 20

// rawLimit is how much is kept of a bad row; only of lines longer than maxRecord less is kept.
const rawLimit = maxRecord

// reader reads one file. fill adds rows to an empty batch; it returns false when there is nothing after them.
// position tells where it is after the last fill.
type reader interface {
	fill(b *extract.Batch) (more bool, err error)
	position() position
	close() error
}

// Read yields the rows of the stream's files that are new since from, in order of file name and of position in the file.
func (s *Source) Read(ctx context.Context, name string, from landing.Checkpoint) extract.Stream {
	return func(yield func(*extract.Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		ch := make(chan *extract.Batch, 2) // decoded ahead while the consumer writes
		fail := make(chan error, 1)
		var wg sync.WaitGroup
		wg.Go(func() {
			defer close(ch)
			fail <- s.produce(ctx, name, from, func(b *extract.Batch) error {
				select {
				case ch <- b:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		})
		defer wg.Wait()
		defer cancel()
		for b := range ch {
			if !yield(b, nil) {
				return
			}
		}
		if err := <-fail; err != nil {
			yield(nil, err)
		}
	}
}

func (s *Source) produce(ctx context.Context, name string, from landing.Checkpoint, emit func(*extract.Batch) error) error {
	st, err := s.stream(name)
	if err != nil {
		return err
	}
	had, err := parseState(from)
	if err != nil {
		return err
	}
	files, err := s.list(st)
	if err != nil {
		return err
	}
	now := had.clone()
	now.Config = st.config
	var plans []plan
	var size, before int64
	for _, in := range files {
		at, found := had.Files[in.name]
		p, err := compare(in, at, found)
		if err != nil {
			return err
		}
		if p.touch {
			p.at.Size, p.at.MTime = in.size, in.mtime
			now.Files[in.name] = p.at
		}
		if !p.skip {
			plans = append(plans, p)
			size += in.size
		}
	}
	if len(files) == 0 { // optional: true
		return emit(&extract.Batch{Warnings: []string{"no file to read"}})
	}
	rows, done := int64(0), 0
	for i, p := range plans {
		item := fmt.Sprintf("file %d of %d: %s", i+1, len(plans), p.in.name)
		err := s.readFile(ctx, st, p, func(b *extract.Batch, at position, end bool) error {
			now.Files[p.in.name] = at
			rows += int64(len(b.Rows) + len(b.Bad))
			if end {
				done++
			}
			if rows >= checkpointRows || done >= checkpointFiles {
				b.Checkpoint = now.checkpoint()
				rows, done = 0, 0
			}
			inFile := at.Offset
			if end {
				inFile = p.in.size
			}
			b.Progress = extract.Progress{Item: item, Bytes: before + inFile, Size: size}
			return emit(b)
		})
		if err != nil {
			return err
		}
		before += p.in.size
	}
	if len(plans) == 0 && sameState(now, had) {
		return nil
	}
	return emit(&extract.Batch{Checkpoint: now.checkpoint(), Progress: extract.Progress{Bytes: before, Size: size}})
}

func sameState(a, b state) bool {
	return string(a.checkpoint().State) == string(b.checkpoint().State)
}

// readFile hands on the batches of one file, each with the position behind it.
func (s *Source) readFile(ctx context.Context, st stream, p plan, emit func(b *extract.Batch, at position, end bool) error) error {
	if p.in.size == 0 {
		at := position{MTime: p.in.mtime, Done: true}
		return emit(&extract.Batch{Warnings: []string{p.in.name + " is empty: no rows"}}, at, true)
	}
	r, err := s.openReader(st, p)
	if err != nil {
		return located(err, p.in)
	}
	defer r.close()
	total := int64(0)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := &extract.Batch{}
		more, err := r.fill(b)
		if err != nil {
			return located(err, p.in)
		}
		total += int64(len(b.Rows) + len(b.Bad))
		at := r.position()
		at.Size, at.MTime, at.Done = p.in.size, p.in.mtime, !more
		if !more {
			if at.Offset > 0 {
				// What was read, not what the file grew to meanwhile: the rest is read next time.
				at.Size = max(at.Offset, p.in.size)
				if at.Offset > p.in.size {
					at.Size, at.MTime = at.Offset, 0
				}
			} else if at.SHA256, _, err = hashPrefix(p.in.path, p.in.size); err != nil {
				return located(err, p.in)
			}
			if total == 0 && p.at.Rows == 0 {
				b.Warnings = append(b.Warnings, p.in.name+" has no rows")
			}
		}
		if err := emit(b, at, !more); err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
}

// located names the file in an error that does not.
func located(err error, in input) error {
	var f *fault.Error
	if errors.As(err, &f) && f.File != "" || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, os.ErrPermission) {
		return &fault.Error{File: in.path, Msg: "may not be read", Err: err, Hint: "Give the user that runs millrace the right to read it."}
	}
	return &fault.Error{File: in.path, Err: err, Exit: fault.ExitCode(err)}
}

func (s *Source) openReader(st stream, p plan) (reader, error) {
	switch p.in.format {
	case "csv":
		return openCSV(st, p)
	case "ndjson":
		return openNDJSON(st, p)
	case "json":
		return openJSON(st, p)
	case "parquet":
		return openParquet(p)
	case "excel":
		return openExcel(st, p)
	}
	return nil, &fault.Error{Msg: "unknown format " + p.in.format, Hint: fault.DidYouMean(p.in.format, formats())}
}

func sumHex(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
