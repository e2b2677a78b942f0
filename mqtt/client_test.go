package mqtt

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastwatt/rack"
)

func TestTheBrokerRetainsTheSnapshot(t *testing.T) {
	addr, _ := startBroker(t, BrokerConfig{Addr: "127.0.0.1:0"})
	sub := subscribe(t, addr)
	c, _ := newTestClient(t, Config{Broker: "mqtt://" + addr})
	c.Publish(emptySnapshot())
	stop := running(t, c.Run)
	awaitShown(t, sub, shown(emptySnapshot(), online))

	t.Run("and the next one", func(t *testing.T) {
		c.Publish(onBatterySnapshot())
		awaitShown(t, sub, shown(onBatterySnapshot(), online))
	})
	t.Run("and nothing of a node that is gone", func(t *testing.T) {
		c.Publish(emptySnapshot())
		awaitShown(t, sub, shown(emptySnapshot(), online))
	})
	t.Run("and that the daemon was stopped", func(t *testing.T) {
		stop()
		awaitShown(t, sub, shown(emptySnapshot(), offline))
	})
}

func TestOnlyWhatChangedIsSent(t *testing.T) {
	addr, _ := startBroker(t, BrokerConfig{Addr: "127.0.0.1:0"})
	sub := subscribe(t, addr)
	c, _ := newTestClient(t, Config{Broker: "tcp://" + addr})
	c.Publish(onBatterySnapshot())
	running(t, c.Run)
	awaitShown(t, sub, shown(onBatterySnapshot(), online))
	before := len(sub.payloads(testOptions().topic("cluster")))

	changed := onBatterySnapshot()
	changed.Plan.Method = "curve"
	c.Publish(changed)
	awaitShown(t, sub, shown(changed, online))
	if got := len(sub.payloads(testOptions().topic("cluster"))); got != before {
		t.Errorf("the cluster was sent %d times more", got-before)
	}
	if got := len(sub.payloads(testOptions().topic("plan"))); got != 2 {
		t.Errorf("the plan was sent %d times, want 2", got)
	}
}

func TestTheHeartbeatSendsTheWholeState(t *testing.T) {
	addr, _ := startBroker(t, BrokerConfig{Addr: "127.0.0.1:0"})
	sub := subscribe(t, addr)
	c, _ := newTestClient(t, Config{Broker: "tcp://" + addr})
	c.heartbeat = 20 * time.Millisecond
	c.Publish(onBatterySnapshot())
	running(t, c.Run)
	eventually(t, "node04 was sent again", func() bool { return len(sub.payloads(testOptions().topic("node", "node04"))) > 2 })
	if got := len(sub.payloads("homeassistant/device/lastwatt_rack_1/config")); got != 1 {
		t.Errorf("discovery was sent %d times, want once", got)
	}
	status := testOptions().topic("status")
	sub.client.Publish(status, 1, true, offline) // as a broker does that is late with an older connection's last will
	eventually(t, "it is online all the same", func() bool {
		all := sub.payloads(status)
		i := slices.Index(all, offline)
		return i >= 0 && slices.Contains(all[i:], online)
	})
}

// kinds lists the kinds of the events that a subscriber heard.
func kinds(t *testing.T, sub *subscriber) []string {
	t.Helper()
	var all []string
	for _, p := range sub.payloads(testOptions().topic("event")) {
		var d eventDoc
		if err := json.Unmarshal([]byte(p), &d); err != nil {
			t.Fatal(err)
		}
		all = append(all, d.Type)
	}
	return all
}

func TestEventsComeInOrderAndAfterTheirSnapshot(t *testing.T) {
	addr, _ := startBroker(t, BrokerConfig{Addr: "127.0.0.1:0"})
	sub := subscribe(t, addr)
	c, _ := newTestClient(t, Config{Broker: "tcp://" + addr})
	c.Publish(emptySnapshot())
	stop := running(t, c.Run)
	awaitShown(t, sub, shown(emptySnapshot(), online))
	c.Publish(onBatterySnapshot())
	want := []string{rack.OnBattery, rack.Stage, rack.Stopping, rack.Committed, rack.Dark}
	for _, kind := range want {
		c.Event(rack.Event{Kind: kind, Severity: "info"})
	}
	stop() // what was handed over before the end is still told
	eventually(t, "the status is offline", func() bool { return sub.holds()[testOptions().topic("status")] == offline })
	if diff := cmp.Diff(want, kinds(t, sub)); diff != "" {
		t.Error(diff)
	}
	sub.mu.Lock()
	defer sub.mu.Unlock()
	event := slices.IndexFunc(sub.said, func(m Message) bool { return m.Topic == testOptions().topic("event") })
	snapshot := slices.IndexFunc(sub.said, func(m Message) bool {
		return m.Topic == testOptions().topic("cluster") && strings.Contains(string(m.Payload), "shedding")
	})
	if snapshot < 0 || snapshot > event {
		t.Errorf("the event is message %d, its snapshot %d", event, snapshot)
	}
}

func TestABrokerThatLostEverythingIsToldEverything(t *testing.T) {
	addr, stopBroker := startBroker(t, BrokerConfig{Addr: "127.0.0.1:0"})
	r := startRelay(t, addr)
	c, log := newTestClient(t, Config{Broker: "tcp://" + r.addr()})
	c.Publish(emptySnapshot())
	running(t, c.Run)
	awaitShown(t, subscribe(t, addr), shown(emptySnapshot(), online))
	stopBroker()
	eventually(t, "the loss is in the log", func() bool { return strings.Contains(log.String(), "no connection") })

	c.Publish(onBatterySnapshot())
	c.Event(rack.Event{Kind: rack.OnBattery})
	c.Event(rack.Event{Kind: rack.Stage})
	addr, _ = startBroker(t, BrokerConfig{Addr: "127.0.0.1:0"})
	sub := subscribe(t, addr)
	r.redirect(addr)
	awaitShown(t, sub, shown(onBatterySnapshot(), online))
	eventually(t, "the events were told", func() bool { return slices.Equal(kinds(t, sub), []string{rack.OnBattery, rack.Stage}) })
}

func TestTheLastWillSaysThatTheConnectionIsGone(t *testing.T) {
	addr, _ := startBroker(t, BrokerConfig{Addr: "127.0.0.1:0"})
	sub := subscribe(t, addr)
	r := startRelay(t, addr)
	c, _ := newTestClient(t, Config{Broker: "tcp://" + r.addr()})
	c.Publish(emptySnapshot())
	running(t, c.Run)
	awaitShown(t, sub, shown(emptySnapshot(), online))
	r.redirect("127.0.0.1:1") // the broker is to notice before the client is back
	r.cut()
	status := testOptions().topic("status")
	eventually(t, "it is offline", func() bool { return slices.Equal(sub.payloads(status), []string{online, offline}) })
	r.redirect(addr)
	eventually(t, "it is online again", func() bool { return slices.Equal(sub.payloads(status), []string{online, offline, online}) })
	awaitShown(t, sub, shown(emptySnapshot(), online))
}

func TestHomeAssistantIsToldEverythingWhenItStarts(t *testing.T) {
	addr, _ := startBroker(t, BrokerConfig{Addr: "127.0.0.1:0"})
	sub := subscribe(t, addr)
	c, _ := newTestClient(t, Config{Broker: "tcp://" + addr})
	c.birthDelay = 2 * time.Second // an eager one is answered once: all that it says comes within
	c.Publish(onBatterySnapshot())
	running(t, c.Run)
	awaitShown(t, sub, shown(onBatterySnapshot(), online))
	for range 3 {
		sub.client.Publish("homeassistant/status", 0, false, "online").WaitTimeout(5 * time.Second)
	}
	for _, topic := range []string{"homeassistant/device/lastwatt_rack_1/config", testOptions().topic("ups", "main")} {
		eventually(t, topic+" was sent again", func() bool { return len(sub.payloads(topic)) == 2 })
	}
}

func TestARetainedBirthIsOld(t *testing.T) {
	addr, _ := startBroker(t, BrokerConfig{Addr: "127.0.0.1:0"})
	sub := subscribe(t, addr)
	sub.client.Publish("ha/birth", 1, true, "online").WaitTimeout(5 * time.Second)
	c, _ := newTestClient(t, Config{Broker: "tcp://" + addr, BirthTopic: "ha/birth"})
	c.Publish(emptySnapshot())
	running(t, c.Run)
	awaitShown(t, sub, shown(emptySnapshot(), online))
	c.Event(rack.Event{Kind: rack.Health})
	eventually(t, "the event was told", func() bool { return len(kinds(t, sub)) == 1 })
	if got := len(sub.payloads("homeassistant/device/lastwatt_rack_1/config")); got != 1 {
		t.Errorf("discovery was sent %d times, want once", got)
	}
}

func TestPublishAndEventNeverBlock(t *testing.T) {
	c, _ := newTestClient(t, Config{Broker: "tcp://127.0.0.1:1"})
	for i := range eventRoom + 10 {
		c.Publish(rack.Snapshot{Summary: fmt.Sprint(i)})
		c.Event(rack.Event{Text: fmt.Sprint(i)})
	}
	if s := <-c.newest; s.Summary != fmt.Sprint(eventRoom+9) {
		t.Errorf("the snapshot that is left is number %s", s.Summary)
	}
	if e := <-c.events; e.Text != "10" || c.dropped.Load() != 10 {
		t.Errorf("the oldest event is %s, %d were dropped", e.Text, c.dropped.Load())
	}
}

func TestAWrongPasswordIsSaidOnceAndNeverShown(t *testing.T) {
	addr, _ := startBroker(t, BrokerConfig{Addr: "127.0.0.1:0", Users: map[string]string{"lastwatt": "right-password"}})
	file := writeFile(t, "password", "wrong-password\n")
	c, log := newTestClient(t, Config{Broker: "tcp://" + addr, User: "lastwatt", PasswordFile: file})
	c.Publish(emptySnapshot())
	running(t, c.Run)
	refused := "the broker refuses user or password: check user and password_file"
	eventually(t, "the refusal is in the log", func() bool { return strings.Contains(log.String(), refused) })

	// A password that was put right is used without a restart.
	if err := os.WriteFile(file, []byte("right-password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	awaitShown(t, subscribeAs(t, addr, "lastwatt", "right-password"), shown(emptySnapshot(), online))
	if got := log.String(); strings.Count(got, refused) != 1 || strings.Contains(got, "-password ") {
		t.Errorf("the log is\n%s", got)
	}
}

func TestRunEndsAtOnceWhereTheBrokerNeverAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, _ := newTestClient(t, Config{Broker: "tcp://" + l.Addr().String()})
	stop := running(t, c.Run)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	stop()
	if took := time.Since(began); took > handshakeTimeout/2 {
		t.Errorf("it took %v", took)
	}
}
