package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"lastwatt/config"
	"lastwatt/doctor"
	"lastwatt/drivers/all"
	"lastwatt/drivers/board/boardtest"
)

func TestDocumentedConfigurationsOfAgentsLoad(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml agent\n(.*?)```")
	n := 0
	for name, text := range documents(t) {
		for _, m := range block.FindAllStringSubmatch(text, -1) {
			n++
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, []byte(m[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := config.LoadAgent(path, all.Kinds()); err != nil {
				t.Error(err)
			}
		}
	}
	if n == 0 {
		t.Error("no configuration of an agent found")
	}
}

// on runs doctor on a tree of files, where there is no engine and no controller.
func on(t *testing.T, tree string, args ...string) (status int, out string) {
	t.Helper()
	root := boardtest.Tree(t, tree)
	status, out, errs := run1(t, append([]string{"doctor", "--root", root, "--docker", "unix:///nowhere/no.sock", "--socket", "/nowhere/no.sock",
		"--agent", root + "/agent.yaml", "--config", root + "/lastwatt.yaml"}, args...)...)
	if errs != "" {
		t.Errorf("it complains: %s", errs)
	}
	return status, out
}

func TestDoctorOfABoardThatWaitsForTheNetworksTime(t *testing.T) {
	pi4, err := os.ReadFile("../../drivers/board/testdata/pi4.tree")
	if err != nil {
		t.Fatal(err)
	}
	status, out := on(t, string(pi4))
	if status != exitWarning {
		t.Errorf("status %d, want %d", status, exitWarning)
	}
	for _, want := range []string{
		"warning  no clock goes on without power: after a cut the records have no times until the network tells them\n         do: ",
		"warning  no agent is configured here",
		"unknown  the container engine and its Swarm: ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q lacks %q", out, want)
		}
	}
}

func TestDoctorTellsOfASupplyThatGaveWay(t *testing.T) {
	status, out := on(t, "proc/device-tree/model: Raspberry Pi 5 Model B Rev 1.0\nproc/device-tree/chosen/power/power_reset = 00 00 00 02\n", "--json")
	var r doctor.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	codes := map[string]bool{}
	for _, p := range r.Problems {
		codes[p.Code] = true
	}
	if status != exitWarning || !codes["last-stop"] || len(r.Unchecked) == 0 {
		t.Errorf("status %d: %s", status, out)
	}
}

func TestDoctorInventsNoFaultsOfAnEmptyMachine(t *testing.T) {
	_, out := on(t, "etc/")
	if n := strings.Count(out, "         do: "); n != 1 || !strings.Contains(out, "no agent is configured here") {
		t.Errorf("%d problems of a machine of which nothing is known but that it has no agent:\n%s", n, out)
	}
}
