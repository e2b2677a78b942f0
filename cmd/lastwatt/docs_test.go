package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"lastwatt/config"
	"lastwatt/drivers/all"
)

// run1 runs the program with arguments, as a program without a terminal.
func run1(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(context.Background(), env{in: strings.NewReader(""), out: &o, err: &e}, args)
	return status, o.String(), e.String()
}

func documents(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, f := range append(files, "../../README.md", "../../CONTRIBUTING.md") {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(f)] = string(data)
	}
	return texts
}

// TestDocumentedCommandsAreThere finds every "lastwatt ..." that stands in a
// block of code, and asks the program whether it knows it and its flags.
func TestDocumentedCommandsAreThere(t *testing.T) {
	command := regexp.MustCompile(`(?m)^ {4}(?:sudo )?lastwatt ([a-z]+)(.*)$`)
	flag := regexp.MustCompile(`--([a-z]+)`)
	n := 0
	for name, text := range documents(t) {
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			n++
			status, _, help := run1(t, m[1], "--help")
			if status != exitOK {
				t.Errorf("%s: %q: lastwatt has no %s", name, m[0], m[1])
				continue
			}
			for _, f := range flag.FindAllStringSubmatch(m[2], -1) {
				if !strings.Contains(help, "-"+f[1]) {
					t.Errorf("%s: %q: %s has no flag --%s", name, m[0], m[1], f[1])
				}
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d commands found: the documents have more", n)
	}
}

func TestDocumentedConfigurationsLoad(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	n := 0
	for name, text := range documents(t) {
		for _, m := range block.FindAllStringSubmatch(text, -1) {
			n++
			if _, err := config.Parse(name, []byte(m[1]), all.Kinds()); err != nil {
				t.Error(err)
			}
		}
	}
	if n == 0 {
		t.Error("no configuration found")
	}
}

func TestEveryCommandIsDocumented(t *testing.T) {
	text := documents(t)["cli.md"]
	for _, c := range commands() {
		if !strings.Contains(text, "lastwatt "+c.name) {
			t.Errorf("docs/cli.md lacks lastwatt %s", c.name)
		}
	}
}

func TestExitStatusesAndWhatIsSaid(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("site: my rack\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const socket = "/nowhere/control.sock"
	for _, c := range []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"no command", nil, exitUsage, "lastwatt demo"},
		{"unknown command", []string{"shutdown"}, exitUsage, `there is no command "shutdown"`},
		{"unknown flag", []string{"status", "--fast"}, exitUsage, "fast"},
		{"a sound configuration", []string{"config", "check", "../../configs/reference.yaml"}, exitOK, ""},
		{"a wrong configuration", []string{"config", "check", bad}, exitConfig, bad + ":1: site: want a short name"},
		{"no daemon", []string{"status", "--socket", socket}, exitAbsent, "controller"},
		{"no daemon to arm", []string{"arm", "--yes", "--socket", socket}, exitAbsent, "controller"},
		{"no such device", []string{"ups", "read", "ffff:ffff"}, exitAbsent, "no power device on USB (looked for vendor ffff, product ffff)"},
		{"a word too many", []string{"ups", "scan"}, exitUsage, `want list, read, watch, dump, do or learn (got "scan")`},
		{"a command of no UPS", []string{"ups", "do", "load.explode"}, exitUsage, `one of beeper.enable, `},
		{"a cut that nobody was asked about", []string{"ups", "do", "shutdown.return"}, exitRefused, "nobody to ask: say --yes if it is meant"},
		{"a device that is none", []string{"ups", "read", "zzzz:1"}, exitUsage, `device: want four hexadecimal digits, such as "0764" (got "zzzz")`},
		{"a dump into nowhere", []string{"ups", "dump"}, exitUsage, "lastwatt ups dump FILE"},
		{"a dump that is missing", []string{"ups", "read", "--from", filepath.Join(dir, "none")}, exitFailed, "read the dump: open "},
		{"a NUT server that is none", []string{"ups", "read", "--nut", "127.0.0.1:1"}, exitAbsent, "NUT server 127.0.0.1:1: no such device: connect: connection refused"},
		{"an address of no NUT server", []string{"ups", "read", "--nut", "main@nas"}, exitFailed, "want the host of the NUT server"},
		{"orders to a NUT server", []string{"ups", "do", "beeper.mute", "--nut", "nas"}, exitUsage, "--nut goes with read alone"},
		{"a speed that is none", []string{"demo", "--speed", "0"}, exitUsage, "want a speed of 1 to 600"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, out, errs := run1(t, c.args...)
			if status != c.status || !strings.Contains(out+errs, c.want) {
				t.Errorf("status %d, want %d; output %q lacks %q", status, c.status, out+errs, c.want)
			}
		})
	}
}
