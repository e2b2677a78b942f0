//go:build node

package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestTheBuildForNodesSaysWhatItLacks(t *testing.T) {
	for _, name := range []string{"controller", "demo"} {
		status, _, errs := run1(t, name)
		if want := "lastwatt: " + name + ": this program was built for nodes, without it: build it without BUILD=node\n"; status != exitAbsent || errs != want {
			t.Errorf("%s: status %d, %q, want %d, %q", name, status, errs, exitAbsent, want)
		}
	}
}

func TestTheBuildForNodesListsOnlyWhatItHas(t *testing.T) {
	if _, out, _ := run1(t, "help"); strings.Contains(out, "lastwatt controller") || strings.Contains(out, "lastwatt demo") || !strings.Contains(out, "lastwatt agent") {
		t.Errorf("the help is\n%s", out)
	}
	if _, out, _ := run1(t, "version"); !strings.HasSuffix(out, ", built for nodes)\n") {
		t.Errorf("the version is %q", out)
	}
}

func TestTheBuildForNodesHasNoneOfTheControllersParts(t *testing.T) {
	out, err := exec.Command("go", "list", "-tags", "node", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	have := strings.Fields(string(out))
	if !slices.Contains(have, "lastwatt/agent") {
		t.Errorf("no agent among %q", have)
	}
	for _, part := range []string{"lastwatt/controller", "lastwatt/mqtt", "lastwatt/alert", "lastwatt/store"} {
		if slices.Contains(have, part) {
			t.Errorf("%s is part of it", part)
		}
	}
}
