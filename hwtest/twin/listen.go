//go:build twin

package twin

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lastwatt/rack"
)

// broker starts Mosquitto and a subscriber who notes every event.
func (g *Ground) broker() {
	conf := filepath.Join(g.dir, "mosquitto.conf")
	if err := os.WriteFile(conf, []byte("listener 18830 "+hostAddr+"\nallow_anonymous true\npersistence false\n"), 0o644); err != nil {
		g.t.Fatal(err)
	}
	g.daemon("mosquitto", "-c", conf)
	g.until(60*time.Second, "the broker", func() bool {
		conn, err := net.DialTimeout("tcp", hostAddr+":18830", time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	cmd := exec.CommandContext(g.ctx, "mosquitto_sub", "-h", hostAddr, "-p", "18830", "-v", "-t", "lastwatt/#")
	out, err := cmd.StdoutPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.work.Go(func() {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			g.hear(strings.Cut(lines.Text(), " "))
		}
		cmd.Wait()
	})
}

// hear notes a message of the broker.
func (g *Ground) hear(topic, payload string, _ bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.docs[topic] = payload
	var e struct {
		Type                 string `json:"event_type"`
		Node, Severity, Text string
	}
	if strings.HasSuffix(topic, "/event") && json.Unmarshal([]byte(payload), &e) == nil {
		g.events = append(g.events, rack.Event{Kind: e.Type, Node: e.Node, Severity: e.Severity, Text: e.Text})
	}
}

// Events are the kinds of event that the subscriber saw from the nth on.
func (g *Ground) Events(n int) []string {
	var kinds []string
	for _, e := range g.Story(n) {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// Story is the events that the subscriber saw from the nth on.
func (g *Ground) Story(n int) []rack.Event {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.events[min(n, len(g.events)):])
}

// Document reads the newest document of a topic below the site's, such as
// node/node02; false before there is one.
func (g *Ground) Document(name string, into any) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return json.Unmarshal([]byte(g.docs["lastwatt/twin/"+name]), into) == nil
}
