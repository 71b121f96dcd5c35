package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"time"
)

// dialError classes a call that got no answer.
func (c *Client) dialError(ctx context.Context, err error, wrote, timedOut, repeatable bool) *Error {
	var uerr *url.Error
	if errors.As(err, &uerr) {
		err = uerr.Err // the outer one repeats the URL, credentials in the query included
	}
	text := c.redact.Text(err.Error())
	var private *errPrivate
	var dns *net.DNSError
	var unknownCA x509.UnknownAuthorityError
	var badName x509.HostnameError
	var badCert x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &private):
		return &Error{Class: Config, Message: private.Error(), Hint: "Set allow_private: true if this server in your own network is meant", Err: err}
	case errors.As(err, &unknownCA), errors.As(err, &badName), errors.As(err, &badCert), errors.As(err, &record):
		return &Error{Class: Config, Message: "no trusted connection: " + text, Hint: "Check base_url and the server's certificate", Err: redacted{text, err}}
	case ctx.Err() != nil:
		if wrote && !repeatable {
			return &Error{Class: Unknown, Message: "stopped before the answer came", Err: ctx.Err()}
		}
		return &Error{Class: Transient, Message: "stopped", Err: ctx.Err()}
	}
	msg := text
	if timedOut {
		msg = "no answer within " + c.opt.Timeout.String()
	} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		msg = "the connection was closed before an answer came"
	}
	if wrote && !repeatable {
		return &Error{Class: Unknown, Message: msg, Err: redacted{text, err}}
	}
	e := &Error{Class: Transient, Message: msg, Err: redacted{text, err}}
	if errors.As(err, &dns) && dns.IsNotFound {
		e.Message, e.Hint = "host "+dns.Name+" is not known", "Check base_url and the network"
	}
	return e
}

// bodyError classes an answer whose body broke off: it was sent, but what it said is not known.
func (c *Client) bodyError(ctx context.Context, err error, timedOut, repeatable bool, status int) *Error {
	e := &Error{Class: Transient, Status: status, Message: "the body breaks off: " + c.redact.Text(err.Error()), Err: err}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		e.Message = "the body breaks off before its end (the connection was closed)"
	}
	if timedOut {
		e.Message = "the body did not arrive within " + c.opt.Timeout.String()
	}
	if ctx.Err() != nil {
		e.Message, e.Err = "stopped before the answer was read", ctx.Err()
	}
	if !repeatable && (status < 300 || status >= 500) {
		e.Class = Unknown
	}
	return e
}

// redacted keeps errors.Is working without the cause's text, which may hold credentials.
type redacted struct {
	text string
	err  error
}

func (r redacted) Error() string        { return r.text }
func (r redacted) Is(target error) bool { return errors.Is(r.err, target) }

// guardedBody is a streamed answer: each read must bring something within the time limit, and a body that breaks off is an
// *Error rather than a bare EOF.
type guardedBody struct {
	c        *Client
	body     io.ReadCloser
	watchdog *time.Timer
	cancel   context.CancelFunc
	timeout  time.Duration
	fail     func(err error, timedOut bool) error
}

func (g *guardedBody) Read(p []byte) (int, error) {
	g.watchdog.Reset(g.timeout)
	n, err := g.body.Read(p)
	fired := !g.watchdog.Stop()
	g.c.bytesIn.Add(int64(n))
	if err != nil && err != io.EOF {
		err = g.fail(err, fired)
	}
	return n, err
}

func (g *guardedBody) Close() error {
	g.watchdog.Stop()
	err := g.body.Close()
	g.cancel()
	return err
}
