package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lastwatt/rack"
)

func TestWhatIsSavedIsLoadedAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "lastwatt.db")
	s := mustOpen(t, path)
	type state struct{ Phase string }
	if ok, err := s.Load("controller", &state{}); ok || err != nil {
		t.Fatalf("an empty store has something: %v, %v", ok, err)
	}
	if err := s.Save("controller", state{"dark"}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	var got state
	s = mustOpen(t, path)
	if ok, err := s.Load("controller", &got); !ok || err != nil || got.Phase != "dark" {
		t.Errorf("loaded %+v, %v, %v", got, ok, err)
	}
}

func TestEventsAreKeptInOrderAndTheOldestDropped(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "lastwatt.db"))
	var all []rack.Event
	for i := range keepEvents + 10 {
		all = append(all, rack.Event{Text: fmt.Sprint(i)})
	}
	if err := s.Append(all...); err != nil {
		t.Fatal(err)
	}
	got, err := s.Events(keepEvents + 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != keepEvents || got[0].Text != "10" || got[len(got)-1].Text != fmt.Sprint(keepEvents+9) {
		t.Errorf("%d events from %q to %q", len(got), got[0].Text, got[len(got)-1].Text)
	}
	if got, _ := s.Events(2); len(got) != 2 || got[1].Text != fmt.Sprint(keepEvents+9) {
		t.Errorf("the newest two are %+v", got)
	}
}

func TestADamagedFileIsPutAside(t *testing.T) {
	for name, content := range map[string]string{
		"garbage": strings.Repeat("not a store. ", 5000),
		"short":   "x",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "lastwatt.db")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			s := mustOpen(t, path)
			if s.SetAside == "" {
				t.Fatal("it was not said that the file was damaged")
			}
			if kept, err := os.ReadFile(s.SetAside); err != nil || string(kept) != content {
				t.Errorf("the damaged file was not kept: %v", err)
			}
		})
	}
}

func TestAFolderThatCannotBeMadeIsAnErrorThatNamesIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(filepath.Join(file, "lastwatt.db"))
	if err == nil || !strings.Contains(err.Error(), "open the store") || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}

func mustOpen(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
