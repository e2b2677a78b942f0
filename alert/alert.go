// Package alert tells people what happens to the rack, by whatever service they
// use, and goes on trying while the network is away.
package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"lastwatt/clock"
	"lastwatt/rack"
)

// A Target is somebody to tell.
type Target struct {
	// Name is for logs and errors, because the URL is a secret; empty is the
	// URL's scheme.
	Name string
	// URL is one of shoutrrr's: ntfy://HOST/TOPIC, generic+https://HOST/PATH,
	// ... Either it or URLFile is given.
	URL     string
	URLFile string // its first line is the URL; read once, by [New]
	// From is the least severity to tell: info, warning or critical; empty
	// is info.
	From string
}

// A Sender tells events to its targets. Make it with [New]. Send may be called
// from any goroutine, before, while and after Run runs; Run only once.
type Sender struct {
	targets []*target
}

// queueRoom is how many events wait for one target: more than a day of outages
// has.
const queueRoom = 256

// New makes a sender. An error names the target and what is wrong with it, and
// never holds a secret. Nothing is sent and no host is looked up.
func New(targets []Target, c clock.Clock, log *slog.Logger) (*Sender, error) {
	s := &Sender{}
	for i, t := range targets {
		made, err := newTarget(t, c, log)
		if err != nil {
			return nil, fmt.Errorf("alert target %d: %w", i+1, err)
		}
		s.targets = append(s.targets, made)
	}
	return s, nil
}

func newTarget(t Target, c clock.Clock, log *slog.Logger) (*target, error) {
	from := 0
	if t.From != "" {
		if from = severity(t.From); from < 0 {
			return nil, fmt.Errorf("severity %q: write info, warning or critical", t.From)
		}
	}
	raw, err := t.url()
	if err != nil {
		return nil, err
	}
	deliver, err := newService(raw)
	if err != nil {
		return nil, err
	}
	name := t.Name
	if name == "" {
		name, _, _ = strings.Cut(raw, ":")
	}
	return &target{name: name, from: from, deliver: deliver, clock: c, log: log.With("target", name), queue: make(chan item, queueRoom)}, nil
}

func (t Target) url() (string, error) {
	if (t.URL == "") == (t.URLFile == "") {
		return "", errors.New("give either a url or a url_file")
	}
	if t.URL != "" {
		return t.URL, nil
	}
	b, err := os.ReadFile(t.URLFile)
	if err != nil {
		return "", fmt.Errorf("reading the url: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("reading the url: the first line of %q is empty", t.URLFile)
	}
	return line, nil
}

// severity is the place of a severity among all, or below 0 if it is none.
func severity(s string) int { return slices.Index([]string{"info", "warning", "critical"}, s) }

// Send tells e to every target that wants events of its severity; one without a
// known severity goes to all. It never blocks: of too many waiting events the
// oldest are dropped.
func (s *Sender) Send(e rack.Event) {
	for _, t := range s.targets {
		if place := severity(e.Severity); place < 0 || place >= t.from {
			t.offer(e)
		}
	}
}

// lastWords is how long messages may still take once the daemon stops: the
// network may be about to go.
const lastWords = 3 * time.Second

// Run sends until ctx ends. What still waits then is tried once, for 3 s in all,
// at the targets that were reachable last. It returns ctx's error.
func (s *Sender) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var all sync.WaitGroup
	for _, t := range s.targets {
		all.Go(func() { t.run(ctx, work) })
	}
	<-ctx.Done()
	defer time.AfterFunc(lastWords, stop).Stop()
	all.Wait()
	return ctx.Err()
}
