package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"lastwatt/clock"
)

// engine is a double of the Docker API: what these tests ask of it, with the
// status and the texts that dockerd 20.10 was seen to answer.
type engine struct {
	mu        sync.Mutex
	info      string // the Swarm part of /info
	noLeader  bool
	conflicts int // node updates that lose the race, so many times
	node      map[string]any
	tasks     []string // states of tasks on n1; each look takes the first away
	onTasks   func()   // is called at each look at tasks, before the answer
	updates   []string
}

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	path := r.URL.Path
	if strings.HasPrefix(path, "/v1.") {
		path = "/" + strings.SplitN(path, "/", 3)[2]
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Api-Version", "1.41")
	fail := func(status int, text string) {
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]string{"message": text})
	}
	switch {
	case path == "/_ping":
		fmt.Fprint(w, "OK")
	case path == "/info":
		fmt.Fprintf(w, `{"Swarm":%s}`, e.info)
	case e.noLeader:
		fail(500, "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online.")
	case path == "/nodes":
		json.NewEncoder(w).Encode([]any{e.node})
	case path == "/nodes/n1":
		json.NewEncoder(w).Encode(e.node)
	case path == "/nodes/n1/update":
		if e.conflicts > 0 {
			e.conflicts--
			fail(500, "rpc error: code = Unknown desc = update out of sequence")
			return
		}
		var spec map[string]any
		json.NewDecoder(r.Body).Decode(&spec)
		e.node["Spec"] = spec
		text, _ := json.Marshal(spec)
		e.updates = append(e.updates, string(text))
	case path == "/swarm":
		fmt.Fprint(w, `{"ID":"w1","Spec":{"EncryptionConfig":{"AutoLockManagers":true}}}`)
	case path == "/services":
		fmt.Fprint(w, `[{"ID":"s1","Spec":{"Name":"web","Mode":{"Replicated":{"Replicas":4}},"TaskTemplate":{"ContainerSpec":{"Image":"nginx","StopGracePeriod":30000000000}}},
			"Endpoint":{"Ports":[{"PublishedPort":80}]},"ServiceStatus":{"RunningTasks":3,"DesiredTasks":4}},
			{"ID":"j1","Spec":{"Name":"backup","Mode":{"ReplicatedJob":{}}}}]`)
	case path == "/tasks":
		e.onTasks()
		fmt.Fprint(w, `[{"ID":"t9","ServiceID":"j1","NodeID":"n1","Status":{"State":"running"}}`)
		if len(e.tasks) > 0 {
			fmt.Fprintf(w, `,{"ID":"t1","ServiceID":"s1","NodeID":"n1","Status":{"State":%q}}`, e.tasks[0])
			e.tasks = e.tasks[1:]
		}
		fmt.Fprint(w, "]")
	default:
		fail(404, "no such thing: "+path)
	}
}

const manager = `{"NodeID":"n1","LocalNodeState":"active","ControlAvailable":true}`

func newEngine(t *testing.T) (*engine, *Docker) {
	t.Helper()
	e := &engine{info: manager, onTasks: func() {}, node: map[string]any{"ID": "n1", "Version": map[string]int{"Index": 7},
		"Description": map[string]string{"Hostname": "node01"}, "Status": map[string]string{"State": "ready"}, "ManagerStatus": map[string]bool{"Leader": true},
		"Spec": map[string]any{"Role": "manager", "Availability": "active", "Labels": map[string]string{"rack": "a"}}}}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	d, err := NewDocker(strings.Replace(server.URL, "http://", "tcp://", 1), clock.Real())
	if err != nil {
		t.Fatal(err)
	}
	return e, d
}

func TestASnapshotSaysWhatTheEngineCanKnow(t *testing.T) {
	for _, c := range []struct {
		name, info string
		noLeader   bool
		role       string
		quorum     bool
		locked     bool
	}{
		{"a manager with a leader", manager, false, "manager", true, false},
		{"a manager without a leader", manager, true, "manager", false, false},
		{"a worker", `{"NodeID":"n1","LocalNodeState":"active"}`, false, "worker", false, false},
		{"no Swarm", `{"LocalNodeState":"inactive"}`, false, "none", false, false},
		{"a locked manager", `{"LocalNodeState":"locked"}`, false, "manager", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, d := newEngine(t)
			e.info, e.noLeader = c.info, c.noLeader
			s, err := d.Snapshot(t.Context())
			if err != nil || s.Role != c.role || s.Quorum != c.quorum || s.Locked != c.locked {
				t.Fatalf("snapshot = %+v, %v", s, err)
			}
			if c.quorum && (len(s.Nodes) != 1 || !s.Nodes[0].Leader || s.Nodes[0].Hostname != "node01" || s.Services[0].Running != 3 || s.Services[1].Mode != "replicated-job") {
				t.Errorf("snapshot = %+v", s)
			}
		})
	}
}

func TestAChangeTouchesTwoFieldsAndIsMadeOnce(t *testing.T) {
	e, d := newEngine(t)
	e.conflicts = 2
	drain := []Change{{NodeID: "n1", Availability: "drain", Outage: "o1"}}
	for range 2 {
		if err := d.Change(t.Context(), drain); err != nil {
			t.Fatal(err)
		}
	}
	if len(e.updates) != 1 || !strings.Contains(e.updates[0], `"Availability":"drain"`) || !strings.Contains(e.updates[0], `"lastwatt.outage":"o1"`) || !strings.Contains(e.updates[0], `"rack":"a"`) {
		t.Errorf("updates = %v; want one, with the label rack kept", e.updates)
	}
	if err := d.Change(t.Context(), []Change{{NodeID: "n1", Availability: "active"}}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(e.updates[1], "lastwatt.outage") {
		t.Errorf("our label stays: %s", e.updates[1])
	}
}

func TestAChangeThatLosesEveryRaceSaysSo(t *testing.T) {
	e, d := newEngine(t)
	e.conflicts = 100
	err := d.Change(t.Context(), []Change{{NodeID: "n1", Availability: "drain", Outage: "o1"}})
	if err == nil || !strings.HasPrefix(err.Error(), "set node n1 to drain: ") || e.conflicts != 100-updateTries {
		t.Errorf("Change = %v after %d tries", err, 100-e.conflicts)
	}
}

func TestADrainIsOverWhenOnlyJobsRun(t *testing.T) {
	e, d := newEngine(t)
	e.tasks = []string{"running", "running", "shutdown"}
	if left, err := d.AwaitDrained(t.Context(), []string{"n1"}); err != nil || len(left) != 0 {
		t.Errorf("AwaitDrained = %v, %v", left, err)
	}
	if len(e.tasks) != 0 {
		t.Errorf("it did not wait: %v", e.tasks)
	}
}

func TestADrainThatIsGivenUpSaysWhatStillRuns(t *testing.T) {
	e, d := newEngine(t)
	e.tasks = []string{"running", "running"}
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	e.onTasks = func() {
		if looks++; looks == 2 {
			cancel() // in the middle of a look
		}
	}
	if left, err := d.AwaitDrained(ctx, []string{"n1"}); !errors.Is(err, context.Canceled) || len(left) != 1 || left[0].Service != "web" {
		t.Errorf("AwaitDrained = %v, %v; want the task of web", left, err)
	}
}
