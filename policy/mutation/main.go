// Command mutation asks how much of the decision core its tests hold: it changes
// one small thing of package policy at a time, and says which of the changes no
// test noticed. Nothing in the tree is written to. Run it by scripts/mutate.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	n, workers, checks int
	seed               uint64
	least              float64
	tests, files       string
	timeout            time.Duration
	list               bool
}

func main() {
	var o options
	flag.IntVar(&o.n, "n", 60, "try so many mutants; 0 is all")
	flag.Uint64Var(&o.seed, "seed", 1, "pick them, and what property tests draw, by this")
	flag.IntVar(&o.workers, "j", runtime.NumCPU(), "try so many at a time")
	flag.StringVar(&o.files, "files", "*.go", "mutate the files of policy that match")
	flag.StringVar(&o.tests, "run", ".", "run the tests that match")
	flag.IntVar(&o.checks, "rapid.checks", 300, "let a property test draw so often")
	flag.DurationVar(&o.timeout, "timeout", time.Minute, "take tests that run longer as failed")
	flag.Float64Var(&o.least, "least", 0, "exit with 1 where fewer percent are noticed")
	flag.BoolVar(&o.list, "list", false, "list the mutants, also those that do not compile, and try none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	enough, err := mutate(ctx, os.Stdout, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(2)
	}
	if !enough {
		os.Exit(1)
	}
}

// mutate does what the options say, and tells whether enough was noticed.
func mutate(ctx context.Context, out io.Writer, o options) (enough bool, err error) {
	if o.n < 0 || o.workers < 1 || flag.NArg() > 0 {
		return false, errors.New("want -n of 0 or more, -j of 1 or more, and nothing but flags")
	}
	dir, err := os.MkdirTemp("", "mutation-")
	if err != nil {
		return false, fmt.Errorf("making a place for mutants: %w", err)
	}
	defer os.RemoveAll(dir)
	b, err := newBench(dir, o)
	if err != nil {
		return false, err
	}
	all, err := mutants(b.sources)
	if err != nil {
		return false, err
	}
	all = slices.DeleteFunc(all, func(m mutant) bool {
		of, bad := filepath.Match(o.files, filepath.Base(m.path))
		err = errors.Join(err, bad)
		return !of
	})
	if err != nil {
		return false, fmt.Errorf("matching -files %q: %w", o.files, err)
	}
	all = spread(all, o.seed)
	if o.n == 0 {
		o.n = len(all)
	}
	if o.list {
		return true, list(out, all[:min(o.n, len(all))])
	}
	if err := b.sound(ctx); err != nil {
		return false, err
	}
	noticed, tried, err := b.tryAll(ctx, out, all, o)
	if err != nil {
		return false, err
	}
	if tried == 0 {
		return false, errors.New("there was no mutant that compiles")
	}
	_, err = fmt.Fprintf(out, "noticed %d of %d mutants (%d %%)\n", noticed, tried, 100*noticed/tried)
	return 100*float64(noticed) >= o.least*float64(tried), err
}

// A verdict is what became of a mutant.
type verdict int

const (
	noticed verdict = iota
	survived
	invalid // it does not compile
)

// tryAll tries the first n of the mutants that compile. Which these are does not
// depend on how many are tried at a time: one more is begun only while fewer
// than n of those begun can be valid.
func (b *bench) tryAll(ctx context.Context, out io.Writer, all []mutant, o options) (seen, tried int, err error) {
	type outcome struct {
		m   mutant
		v   verdict
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan outcome)
	for begun, running := 0, 0; ; {
		for err == nil && running < o.workers && tried+running < o.n && begun < len(all) {
			m, number := all[begun], begun
			begun++
			running++
			go func() {
				v, err := b.try(ctx, m, number)
				results <- outcome{m, v, err}
			}()
		}
		if running == 0 {
			return seen, tried, err
		}
		r := <-results
		running--
		switch {
		case r.err != nil:
			cancel() // those that still run fail for that, later
			if err == nil {
				err = r.err
			}
		case r.v == noticed:
			tried++
			seen++
		case r.v == survived:
			tried++
			fmt.Fprintf(out, "survived: %s\n", r.m)
		}
	}
}

// A bench runs tests on copies of the sources, as they were when it was made:
// they may be edited while it works.
type bench struct {
	dir     string
	overlay map[string]string // the copies, by the path they stand for
	sources []source
	flags   []string // of the test binaries
	timeout time.Duration
}

// A source is one Go file of the package, tests excepted.
type source struct {
	path string
	text []byte
}

func newBench(dir string, o options) (*bench, error) {
	b := &bench{dir: dir, overlay: map[string]string{}, timeout: o.timeout}
	paths, err := filepath.Glob("policy/*.go")
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("looking for policy/*.go, from the root of the project: %w", errors.Join(err, os.ErrNotExist))
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading what to mutate: %w", err)
		}
		if err := replace(b.overlay, path, filepath.Join(dir, filepath.Base(path)), text); err != nil {
			return nil, err
		}
		if !strings.HasSuffix(path, "_test.go") {
			b.sources = append(b.sources, source{path, text})
		}
	}
	b.flags = []string{"-test.failfast", "-test.timeout", o.timeout.String(), "-test.run", o.tests,
		fmt.Sprintf("-rapid.checks=%d", o.checks),
		fmt.Sprintf("-rapid.seed=%d", max(1, o.seed)), // 0 would be another one each time
		"-rapid.nofailfile", "-rapid.shrinktime=1ms"}  // what fails is not looked into
	return b, nil
}

// replace lets copy, with the text, stand for path.
func replace(overlay map[string]string, path, copy string, text []byte) error {
	whole, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("finding %s: %w", path, err)
	}
	overlay[whole] = copy
	if err := os.WriteFile(copy, text, 0o600); err != nil {
		return fmt.Errorf("writing a copy of %s: %w", path, err)
	}
	return nil
}

// packages are those whose tests are run: what the first of them notices, the next
// need not be built for.
func packages() []string { return []string{"policy", "simulate"} }

// sound is an error where the tests fail, or there are none, before anything is
// changed.
func (b *bench) sound(ctx context.Context) error {
	matched := false
	for _, pkg := range packages() {
		binary, said, err := b.build(ctx, b.dir, b.overlay, pkg)
		if err == nil {
			said, err = b.test(ctx, binary, pkg)
		}
		if err != nil {
			return fmt.Errorf("testing what is not mutated: %w\n%s", err, said)
		}
		matched = matched || !strings.Contains(said, "no tests to run")
	}
	if !matched {
		return errors.New("testing what is not mutated: -run matches no test")
	}
	return nil
}

// try builds and tests one mutant.
func (b *bench) try(ctx context.Context, m mutant, number int) (verdict, error) {
	dir := filepath.Join(b.dir, fmt.Sprint(number))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, fmt.Errorf("making a place for a mutant: %w", err)
	}
	defer os.RemoveAll(dir) // its binaries are large
	overlay := maps.Clone(b.overlay)
	if err := replace(overlay, m.path, filepath.Join(dir, filepath.Base(m.path)), m.text()); err != nil {
		return 0, err
	}
	var exit *exec.ExitError
	for _, pkg := range packages() {
		binary, said, err := b.build(ctx, dir, overlay, pkg)
		switch {
		case ctx.Err() != nil:
			return 0, fmt.Errorf("building %s: %w", m, ctx.Err())
		case errors.As(err, &exit) && exit.Exited() && pkg == packages()[0]:
			return invalid, nil
		case err != nil:
			return 0, fmt.Errorf("building %s: %w\n%s", m, err, said)
		}
		switch said, err := b.test(ctx, binary, pkg); {
		case ctx.Err() != nil:
			return 0, fmt.Errorf("testing %s: %w", m, ctx.Err())
		case errors.Is(err, context.DeadlineExceeded), errors.As(err, &exit):
			return noticed, nil
		case err != nil:
			return 0, fmt.Errorf("testing %s: %w\n%s", m, err, said)
		}
	}
	return survived, nil
}

// buildTimeout is generous: the machine may be busy with other things, and a
// mutant cannot keep the compiler from ending.
const buildTimeout = 10 * time.Minute

// build makes the test binary of a package, with an overlay.
func (b *bench) build(ctx context.Context, dir string, overlay map[string]string, pkg string) (binary, said string, err error) {
	file := filepath.Join(dir, "overlay.json")
	if err := writeOverlay(file, overlay); err != nil {
		return "", "", err
	}
	binary = filepath.Join(dir, pkg+".test")
	said, err = b.command(ctx, buildTimeout, "", "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", file, "-o", binary, "./"+pkg)
	return binary, said, err
}

// test runs the tests of a package, where its files are. They end by their own
// timeout, as a rule.
func (b *bench) test(ctx context.Context, binary, pkg string) (string, error) {
	return b.command(ctx, b.timeout+time.Minute, pkg, binary, b.flags...)
}

func writeOverlay(file string, overlay map[string]string) error {
	data, err := json.Marshal(map[string]any{"Replace": overlay})
	if err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing an overlay: %w", err)
	}
	return nil
}

// command runs a program, and returns the end of what it said. It and all that it
// started are killed where the context ends, or where it takes longer than the limit.
func (b *bench) command(ctx context.Context, limit time.Duration, dir, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var said tail
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+b.dir, "GOTMPDIR="+b.dir) // what is killed does not clean up
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return string(said), err
}

// A tail keeps the end of what is written to it: a mutant may write without end.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	const keep = 8 << 10
	*t = append(*t, p...)
	*t = append((*t)[:0], (*t)[max(0, len(*t)-keep):]...)
	return len(p), nil
}
