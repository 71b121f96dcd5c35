package parquet

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"sync/atomic"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"golang.org/x/sync/errgroup"

	"millrace/extract/landing"
)

// field is one column of a part file.
type field struct {
	name     string
	cast     caster
	required bool
	plain    bool // values hardly repeat: no dictionary
}

// chunk is a number of rows as columns of Parquet values, ready to be written. Values share the bytes of the strings
// they came from.
type chunk struct {
	cols  [][]pq.Value
	rows  int
	bytes int64 // of the values, for sizing row groups
}

// part is one Parquet file while it is written. A goroutine of its own encodes and compresses, so that reading the next
// rows goes on meanwhile; at most two chunks wait. It is used by one goroutine and must be closed or aborted.
type part struct {
	path  string
	name  string
	file  *os.File
	buf   *bufio.Writer
	sum   hash.Hash
	bytes int64
	// written is bytes for the goroutine that hands chunks over.
	written atomic.Int64
	fields  []field
	w       *pq.GenericWriter[any]
	rows    int64 // given to write
	opt     Options

	in    chan *chunk
	free  chan *chunk
	done  chan error
	fatal chan struct{} // closed when the goroutine has failed
	err   error         // why, valid after fatal
}

// Write counts and hashes what reaches the file.
func (p *part) Write(b []byte) (int, error) {
	n, err := p.buf.Write(b)
	p.sum.Write(b[:n])
	p.bytes += int64(n)
	p.written.Store(p.bytes)
	return n, err
}

// group is a Parquet root whose columns keep their order: pq.Group is a map and sorts them by name.
type group struct {
	pq.Group
	fields []pq.Field
}

func (g group) Fields() []pq.Field { return g.fields }

func schemaOf(fields []field) (*pq.Schema, error) {
	g := pq.Group{}
	for _, f := range fields {
		node := f.cast.node()
		if !f.plain && (f.cast.kind == kVarchar || f.cast.kind == kJSON || f.cast.kind == kDate) {
			node = pq.Encoded(node, &pq.RLEDictionary)
		}
		if !f.required {
			node = pq.Optional(node)
		}
		if _, twice := g[f.name]; twice {
			return nil, fmt.Errorf("two columns are named %q", f.name)
		}
		g[f.name] = node
	}
	byName := map[string]pq.Field{}
	for _, f := range g.Fields() {
		byName[f.Name()] = f
	}
	ordered := make([]pq.Field, len(fields))
	for i, f := range fields {
		ordered[i] = byName[f.name]
	}
	return pq.NewSchema("row", group{Group: g, fields: ordered}), nil
}

func newPart(dir, name string, fields []field, opt Options) (*part, error) {
	schema, err := schemaOf(fields)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, name)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	p := &part{path: path, name: name, file: file, buf: bufio.NewWriterSize(file, 256<<10), sum: sha256.New(), fields: fields, opt: opt,
		in: make(chan *chunk, 1), free: make(chan *chunk, 3), done: make(chan error, 1), fatal: make(chan struct{})}
	p.w = pq.NewGenericWriter[any](p, schema, pq.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
		pq.DictionaryMaxBytes(1<<20), pq.PageBufferSize(256<<10), pq.CreatedBy("millrace", "1", ""), pq.DataPageStatistics(false))
	for range cap(p.free) {
		p.free <- &chunk{cols: make([][]pq.Value, len(fields))}
	}
	go p.encode()
	return p, nil
}

// get waits for a chunk to fill; it is empty.
func (p *part) get() (*chunk, error) {
	select {
	case c := <-p.free:
		for i := range c.cols {
			c.cols[i] = c.cols[i][:0]
		}
		c.rows, c.bytes = 0, 0
		return c, nil
	case <-p.fatal:
		return nil, p.err
	}
}

// write hands a filled chunk over.
func (p *part) write(c *chunk) error {
	for i := range c.cols {
		if len(c.cols[i]) != c.rows {
			return fmt.Errorf("%s: column %s has %d values for %d rows: this is a fault in millrace", p.name, p.fields[i].name, len(c.cols[i]), c.rows)
		}
	}
	p.rows += int64(c.rows)
	select {
	case p.in <- c:
		return nil
	case <-p.fatal:
		return p.err
	}
}

func (p *part) encode() {
	err := p.encodeAll()
	if err != nil {
		p.err = err
		close(p.fatal)
	}
	p.done <- err
}

func (p *part) encodeAll() error {
	var rows int
	var bytes int64
	cw := p.w.ColumnWriters()
	for c := range p.in {
		// Columns are independent, so two goroutines share them; the bytes written do not depend on which does what.
		var g errgroup.Group
		half := len(cw) / 2
		write := func(from, to int) func() error {
			return func() error {
				for i := from; i < to; i++ {
					for at := 0; at < len(c.cols[i]); { // a page is cut between calls only: keep calls small when values are large
						end := min(at+1024, len(c.cols[i]))
						if c.bytes > int64(c.rows)*int64(len(cw))*256 {
							end = min(at+8, len(c.cols[i]))
						}
						if _, err := cw[i].WriteRowValues(c.cols[i][at:end]); err != nil {
							return fmt.Errorf("write %s: column %s: %w", p.path, p.fields[i].name, err)
						}
						at = end
					}
				}
				return nil
			}
		}
		g.Go(write(0, half))
		err := write(half, len(cw))()
		if err2 := g.Wait(); err2 != nil {
			return err2
		}
		if err != nil {
			return err
		}
		rows += c.rows
		bytes += c.bytes
		if rows >= p.opt.RowGroupRows || bytes >= p.opt.RowGroupBytes {
			if err := p.w.Flush(); err != nil {
				return fmt.Errorf("write %s: %w", p.path, err)
			}
			rows, bytes = 0, 0
		}
		for i := range c.cols {
			clear(c.cols[i]) // let go of the strings
		}
		p.free <- c
	}
	return nil
}

// close makes the file durable and returns its manifest entry. The rows that Parquet's footer counts must be those given.
func (p *part) close() (landing.File, error) {
	close(p.in)
	if err := <-p.done; err != nil {
		p.file.Close()
		return landing.File{}, err
	}
	err := p.w.Close()
	if err == nil {
		err = p.buf.Flush()
	}
	if err == nil {
		err = p.file.Sync()
	}
	if err2 := p.file.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return landing.File{}, fmt.Errorf("write %s: %w", p.path, err)
	}
	if n := p.w.File().NumRows(); n != p.rows {
		return landing.File{}, fmt.Errorf("%s holds %d rows but %d were written: the load is given up. This is a fault in millrace", p.path, n, p.rows)
	}
	return landing.File{Name: p.name, Rows: p.rows, Bytes: p.bytes, SHA256: hex.EncodeToString(p.sum.Sum(nil))}, nil
}

// abort stops the goroutine and leaves the file to whoever removes the folder.
func (p *part) abort() {
	close(p.in)
	<-p.done
	p.file.Close()
}
