package maps

import "testing"

func TestEveryBuiltInMapLoads(t *testing.T) {
	names := BuiltIn()
	if len(names) < 11 {
		t.Errorf("only %q", names)
	}
	for _, name := range names {
		m, err := Load(name)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if m.Name != name || m.About == "" || m.Source == "" || len(m.Identity) == 0 || len(m.Guard) != 2 {
			t.Errorf("%s lacks what a map that is shipped has: about, source, identity, guard", name)
		}
		t.Logf("%s: %d requests a poll, guard %v", name, len(m.Blocks()), m.Guard)
	}
}
