package state

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"millrace/internal/atomicfile"
	"millrace/internal/fault"
)

// Vault encrypts what the state file holds about people (P8): keys and values of rows in the outbox, acknowledged
// values, values read before a write. AES-256-GCM with a random nonce for each value; the associated data ties a value
// to its place, so one cannot be moved to another row.
//
// The key is a file beside the state file, mode 0600: state.db has state.key. Whoever has both can read the values;
// a copy of the state file alone, such as a backup, is of no use without the key, so keep the two apart.
type Vault struct {
	aead cipher.AEAD
	mac  []byte
}

func keyPath(statePath string) string {
	return strings.TrimSuffix(statePath, filepath.Ext(statePath)) + ".key"
}

// openVault reads the key, or makes one when the state file has never had one. A lost or foreign key is refused: going
// on with a new one would lose what was sent and what it replaced.
func openVault(ctx context.Context, d *DB) (*Vault, error) {
	path := keyPath(d.path)
	var want string
	err := d.db.QueryRowContext(ctx, `select coalesce((select value from meta where name = 'key'), '')`).Scan(&want)
	if err != nil {
		return nil, fmt.Errorf("open state %s: %w", d.path, err)
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && want == "" {
		raw, err = makeKey(path)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, &fault.Error{File: path, Msg: "the key of the state file is missing", Exit: fault.ExitUsage,
			Hint: "Restore it from where your secrets are kept. Without it, move state.db away too: Millrace then starts anew and knows nothing of what was sent."}
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of the state file: %w", err)
	}
	master, err := hex.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil || len(master) != 32 {
		return nil, &fault.Error{File: path, Msg: "this is not a key of a state file", Hint: "Restore it from where your secrets are kept."}
	}
	v, err := newVault(master)
	if err != nil {
		return nil, err
	}
	print := v.ID("fingerprint")
	if want == "" {
		if _, err := d.exec(ctx, "remember the key", `insert or ignore into meta (name, value) values ('key', ?)`, print); err != nil {
			return nil, err
		}
		want = print
	}
	if want != print {
		return nil, &fault.Error{File: path, Msg: "this key belongs to another state file", Hint: "Restore the key that was made with " + filepath.Base(d.path) + "."}
	}
	return v, nil
}

// makeKey writes a new key under a temporary name and links it into place: of two processes, one wins and both read its key.
func makeKey(path string) ([]byte, error) {
	master := make([]byte, 32)
	rand.Read(master) // never fails: it ends the process instead
	text := []byte(hex.EncodeToString(master) + "\n")
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if err := atomicfile.SyncDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

func newVault(master []byte) (*Vault, error) {
	derive := func(info string) ([]byte, error) {
		return hkdf.Key(sha256.New, master, nil, "millrace state "+info, 32)
	}
	enc, err := derive("encryption")
	if err != nil {
		return nil, err
	}
	mac, err := derive("identifiers")
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(enc)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Vault{aead: aead, mac: mac}, nil
}

func (v *Vault) seal(place string, plain []byte) []byte {
	nonce := make([]byte, v.aead.NonceSize(), v.aead.NonceSize()+len(plain)+v.aead.Overhead())
	rand.Read(nonce) // never fails
	return v.aead.Seal(nonce, nonce, plain, []byte(place))
}

func (v *Vault) open(place string, sealed []byte) ([]byte, error) {
	n := v.aead.NonceSize()
	if len(sealed) < n {
		return nil, fmt.Errorf("encrypted value at %s is too short", place)
	}
	plain, err := v.aead.Open(nil, sealed[:n], sealed[n:], []byte(place))
	if err != nil {
		return nil, fmt.Errorf("encrypted value at %s cannot be read with this key, or was changed: %w", place, err)
	}
	return plain, nil
}

// ID is a keyed hash of the parts, for columns that are looked up by something personal: 32 hexadecimal digits. It
// cannot be reversed by trying e-mail addresses, unless one has the key.
func (v *Vault) ID(parts ...string) string {
	h := hmac.New(sha256.New, v.mac)
	var text []byte
	for _, p := range parts {
		text = strconv.AppendInt(text, int64(len(p)), 10)
		text = append(append(append(text, ':'), p...), ';')
	}
	h.Write(text)
	var sum [sha256.Size]byte
	return hex.EncodeToString(h.Sum(sum[:0])[:16])
}
