package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/joho/godotenv"

	"millrace/internal/fault"
)

var (
	varName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	envVar  = regexp.MustCompile(`^\{\{-?\s*env_var\(\s*(?:'([^']*)'|"([^"]*)")\s*(?:,\s*(?:'([^']*)'|"([^"]*)")\s*)?\)\s*-?\}\}`)
)

// expand replaces ${VAR}, ${VAR:default} and {{ env_var('VAR', 'default') }}. What merely looks similar (`$5`, `{{ x }}`,
// `${not a name}`) stays. The result is not expanded again: a variable's content is data. missing names the first
// variable that is neither set nor given a default.
func expand(text string, env func(string) (string, bool)) (out string, expanded bool, missing string) {
	if !strings.Contains(text, "${") && !strings.Contains(text, "{{") {
		return text, false, ""
	}
	var b strings.Builder
	put := func(name, def string, hasDef bool) {
		expanded = true
		val, ok := env(name)
		switch {
		case ok:
			b.WriteString(val)
		case hasDef:
			b.WriteString(def)
		case missing == "":
			missing = name
		}
	}
	for i := 0; i < len(text); {
		rest := text[i:]
		switch {
		case strings.HasPrefix(rest, "$${"):
			b.WriteString("${")
			expanded = true
			i += 3
			continue
		case strings.HasPrefix(rest, "${"):
			if end := strings.IndexByte(rest, '}'); end > 0 {
				name, def, hasDef := strings.Cut(rest[2:end], ":")
				if varName.MatchString(name) {
					put(name, strings.TrimPrefix(def, "-"), hasDef)
					i += end + 1
					continue
				}
			}
		case strings.HasPrefix(rest, "{{"):
			if m := envVar.FindStringSubmatchIndex(rest); m != nil {
				pick := func(a, b int) (string, bool) {
					for _, k := range []int{a, b} {
						if m[2*k] >= 0 {
							return rest[m[2*k]:m[2*k+1]], true
						}
					}
					return "", false
				}
				if name, _ := pick(1, 2); varName.MatchString(name) {
					def, hasDef := pick(3, 4)
					put(name, def, hasDef)
					i += m[1]
					continue
				}
			}
		}
		b.WriteByte(text[i])
		i++
	}
	return b.String(), expanded, missing
}

// ReadDotEnv reads a .env file into a map; a file that is not there gives an empty map. The process environment is not touched.
func ReadDotEnv(path string) (map[string]string, error) {
	src, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	vars, err := godotenv.UnmarshalBytes(bytes.TrimPrefix(src, []byte("\xef\xbb\xbf")))
	if err != nil {
		// The library quotes the line in its message, and lines of this file hold secrets (P8).
		return nil, &fault.Error{File: path, Line: badEnvLine(src), Msg: "is not a list of NAME=value lines",
			Hint: "Write one NAME=value a line; put quotes around values with spaces or #."}
	}
	return vars, nil
}

// badEnvLine finds the first line that alone cannot be read; 0 when only the whole is wrong.
func badEnvLine(src []byte) int {
	for i, line := range bytes.Split(src, []byte("\n")) {
		if _, err := godotenv.UnmarshalBytes(append(line[:len(line):len(line)], '\n')); err != nil {
			return i + 1
		}
	}
	return 0
}

// Env joins environments: the first that knows a name wins. environ has the form of os.Environ.
func Env(environ []string, dotenv map[string]string) func(string) (string, bool) {
	real := make(map[string]string, len(environ))
	for _, kv := range environ {
		if name, val, ok := strings.Cut(kv, "="); ok {
			real[name] = val
		}
	}
	return func(name string) (string, bool) {
		if v, ok := real[name]; ok {
			return v, true
		}
		v, ok := dotenv[name]
		return v, ok
	}
}
