package nut

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"lastwatt/drivers"
)

// A session is one connection to a server whose UPS answers, until it is lost. All
// of it belongs to the goroutine that calls run.
type session struct {
	*connection
	config config
	name   string // NUT's, of the UPS
	log    *slog.Logger
	report func(drivers.Reading)

	values  values // as of the last look
	tracked *bool  // does the server tell what became of an order; nil: not asked
}

// open finds the UPS and reads it for the first time. Only a UPS that answers is
// logged in to: one whose data is stale would be at every try.
func (s *session) open() error {
	if s.name == "" {
		if err := s.only(); err != nil {
			return fmt.Errorf("NUT server %s: %w", s.config.Address, err)
		}
	}
	if err := s.look(); err != nil {
		return err
	}
	if s.config.Login {
		if _, err := s.order("LOGIN", s.name); err != nil {
			return fmt.Errorf("log in to %s as %q: %w", s.device(), s.config.User, err)
		}
	}
	s.log.Info("NUT server answers", "device", s.device(), "tls", s.secure, "driver", s.values["driver.name"], "login", s.config.Login)
	return nil
}

// device names the UPS in errors and logs, as NUT's programs do.
func (s *session) device() string { return s.name + "@" + s.config.Address }

// only takes the one UPS that the server has.
func (s *session) only() error {
	rows, err := s.list("UPS")
	if err != nil {
		return fmt.Errorf("list its UPSes: %w", err)
	}
	var names []string
	for _, r := range rows {
		if len(r.words) > 0 && r.words[0] != "" {
			names = append(names, clean(r.words[0]))
		}
	}
	switch len(names) {
	case 1:
		s.name = names[0]
		return nil
	case 0:
		return fmt.Errorf("%w: the server has no UPS", drivers.ErrNoDevice)
	}
	return fmt.Errorf("the server has several UPSes: say which with ups: (one of %s)", strings.Join(names, ", "))
}

// run reads the UPS and obeys orders until ctx is done or the server, or its data,
// is lost.
func (s *session) run(ctx context.Context, orders <-chan drivers.Order) error {
	poll := time.NewTicker(s.config.Poll)
	defer poll.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-poll.C:
			err = s.look()
		case o := <-orders:
			err = s.obey(ctx, o)
		}
		if err != nil {
			return err
		}
	}
}

// mostUnread is how many lines that cannot be read are told of one by one.
const mostUnread = 5

// look reads all that the server says of the UPS, in one answer, and reports it.
func (s *session) look() error {
	at := time.Now()
	rows, err := s.list("VAR", s.name)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.device(), err)
	}
	s.values = values{}
	var unread []string
	for _, r := range rows {
		if r.err != nil || len(r.words) != 2 {
			unread = append(unread, fmt.Sprintf("the server's line for %s cannot be read", clip(clean(strings.Join(r.words[:min(1, len(r.words))], "")))))
			continue
		}
		s.values[strings.ToLower(r.words[0])] = r.words[1]
	}
	if !s.values.told() {
		return fmt.Errorf("read %s: %w", s.device(), errUntold)
	}
	u := s.values.ups()
	if more := len(unread) - mostUnread; more > 0 {
		unread = append(unread[:mostUnread], fmt.Sprintf("%d more of the server's lines cannot be read", more))
	}
	u.Warnings = append(u.Warnings, unread...)
	s.report(drivers.Reading{At: at, Fact: u})
	return nil
}

// errUntold is what a server has just after its start, or its driver's: upsd 2.8.0
// answers before it has heard of the UPS, with empty lists.
var errUntold = errors.New("the server has no status of it yet: its driver has told nothing")

// pause is how long until asks again.
const pause = 250 * time.Millisecond

// until looks again and again until done, at most for so long. It says whether
// done was reached.
func (s *session) until(ctx context.Context, bound time.Duration, done func() bool) (bool, error) {
	for end := time.Now().Add(bound); ; {
		if err := s.look(); err != nil {
			return false, err
		}
		if done() {
			return true, nil
		}
		if !time.Now().Before(end) {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(pause):
		}
	}
}
