package controller

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lastwatt/clock"
	"lastwatt/drivers"
	"lastwatt/link"
	"lastwatt/policy"
	"lastwatt/rack"
)

// nobody is a link without agents.
type nobody struct{}

func (nobody) Order(context.Context, string, link.Order) (link.Result, error) {
	return link.Result{}, link.ErrNotConnected
}
func (nobody) Kick() {}

// diary is a journal in memory that fails while err is set.
type diary struct {
	mu   sync.Mutex
	data map[string][]byte
	err  error
}

func (d *diary) Save(name string, v any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	b, err := json.Marshal(v)
	d.data[name] = b
	return err
}

func (d *diary) Load(name string, v any) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, ok := d.data[name]
	if !ok {
		return false, nil
	}
	return true, json.Unmarshal(b, v)
}

func (d *diary) Append(...rack.Event) error { return nil }

func (d *diary) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// cable is a driver whose readings the test sends.
type cable chan any // a drivers.UPS, or an error that ends Run

func (c cable) Run(ctx context.Context, report func(drivers.Reading)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case v := <-c:
			if err, ok := v.(error); ok {
				return err
			}
			report(drivers.Reading{At: time.Now(), Fact: v.(drivers.UPS)})
		}
	}
}

func rules() policy.Rules {
	return policy.Rules{
		UPS:   policy.UPSRules{Name: "main", Cut: true, DelayStep: time.Minute},
		Nodes: []policy.NodeRules{{Name: "node01", Wake: "ups", UPSHost: true}, {Name: "node02", Wake: "ups"}}, Stages: []policy.Stage{{Name: "all"}},
		RideThrough: 30 * time.Second, StableFor: 90 * time.Second, Reserve: time.Minute, Budgets: policy.DefaultBudgets(),
		AssumedRuntime: 20 * time.Minute, ParkLongest: 30 * time.Minute,
	}
}

// desk is a controller that runs, with all that it talks to.
type desk struct {
	*Controller
	diary *diary
	cable cable
	stop  func()
	mu    sync.Mutex
	told  []string
}

func newDesk(d *diary, boot string) *desk {
	k := &desk{diary: d, cable: make(cable)}
	k.Controller = New(Config{Site: "test", Rules: rules(), UPS: []UPS{{Name: "main", Kind: "test", Feeds: []string{"node01", "node02"}, Driver: k.cable}},
		Agents: nobody{}, Journal: d, Clock: clock.Process(), BootID: boot, Log: slog.New(slog.DiscardHandler),
		Tell: func(e rack.Event) { k.mu.Lock(); defer k.mu.Unlock(); k.told = append(k.told, e.Kind) }})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { k.Run(ctx) })
	k.stop = func() { cancel(); running.Wait() }
	return k
}

func ups(onBattery bool, charge float64) drivers.UPS {
	return drivers.UPS{OnBattery: &onBattery, Charge: new(drivers.Percent(charge)), Runtime: new(20 * time.Minute)}
}

func TestAReadingBecomesPartOfThePicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newDesk(&diary{data: map[string][]byte{}}, "b")
		defer k.stop()
		k.cable <- ups(false, 100)
		time.Sleep(time.Second) // pictures come at their own pace
		synctest.Wait()
		if s := k.Snapshot(); !s.UPS[0].Known || !s.UPS[0].Contact || s.Phase != "mains" {
			t.Errorf("snapshot = %+v", s)
		}
		k.cable <- ups(true, 90)
		time.Sleep(time.Second) // pictures come at their own pace
		synctest.Wait()
		if s := k.Snapshot(); s.Phase != "riding" || s.Outage == nil {
			t.Errorf("on battery: phase %s, outage %v", s.Phase, s.Outage)
		}
		k.cable <- errors.New("unplugged")
		time.Sleep(time.Second) // pictures come at their own pace
		synctest.Wait()
		if s := k.Snapshot(); s.UPS[0].Contact {
			t.Error("the UPS is unplugged and the picture has contact with it")
		}
	})
}

func TestAFullDiskDoesNotStopTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{data: map[string][]byte{}}
		k := newDesk(d, "b")
		defer k.stop()
		d.fail(errors.New("no space left on device"))
		k.cable <- ups(true, 90)
		synctest.Wait()
		s := k.Snapshot()
		if s.Phase != "riding" {
			t.Errorf("phase %s", s.Phase)
		}
		found := false
		for _, p := range s.Health {
			found = found || p.Code == "journal" && strings.Contains(p.Text, "no space left on device") && p.Remedy != ""
		}
		if !found {
			t.Errorf("problems = %+v", s.Health)
		}
		d.fail(nil)
		k.cable <- ups(false, 90)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for _, p := range k.Snapshot().Health {
			if p.Code == "journal" {
				t.Errorf("the disk has space again: %+v", p)
			}
		}
	})
}

func TestAControllerThatStartsAgainGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{data: map[string][]byte{}}
		k := newDesk(d, "b")
		if err := k.Operate(t.Context(), "arm", "alice"); err != nil {
			t.Fatal(err)
		}
		k.cable <- ups(true, 90)
		synctest.Wait()
		id := k.Snapshot().Outage.ID
		k.stop()
		if err := k.Operate(t.Context(), "abort", "alice"); err != errEnded {
			t.Errorf("an order to a controller that has ended: %v", err)
		}
		k = newDesk(d, "b")
		defer k.stop()
		synctest.Wait()
		if s := k.Snapshot(); s.Mode != "armed" || s.Phase != "riding" || s.Outage == nil || s.Outage.ID != id {
			t.Errorf("resumed: mode %s, phase %s, outage %+v; want armed, riding, %s", s.Mode, s.Phase, s.Outage, id)
		}
	})
}

func TestAJournalOfAnotherVersionIsNotTouched(t *testing.T) {
	d := &diary{data: map[string][]byte{"controller": []byte(`{"state":{"version":99}}`)}}
	err := New(Config{Rules: rules(), Agents: nobody{}, Journal: d, Clock: clock.Process(), Log: slog.New(slog.DiscardHandler)}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the journal has version 99") {
		t.Errorf("Run = %v", err)
	}
	if string(d.data["controller"]) != `{"state":{"version":99}}` {
		t.Errorf("the journal is now %s", d.data["controller"])
	}
}

// oneToken makes the same token each time.
type oneToken struct{}

func (oneToken) NewToken(node string, _ time.Duration) (string, error) {
	if node == "bad name" {
		return "", errors.New("node name \"bad name\": no")
	}
	return "lwt1-x", nil
}

// socketPath is short, however long the path of the temporary directory is: a
// socket's has some hundred bytes.
func socketPath(t *testing.T) string {
	t.Helper()
	t.Chdir(t.TempDir())
	return "control.sock"
}

func TestTheControlSocketAnswersOnceThereIsSomethingToSee(t *testing.T) {
	k := New(Config{Site: "test", Rules: rules(), Agents: nobody{}, Journal: &diary{data: map[string][]byte{}}, Clock: clock.Process(), Log: slog.New(slog.DiscardHandler)})
	path := socketPath(t)
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	defer serving.Wait()
	defer cancel()
	serving.Go(func() { (&Control{k, oneToken{}, slog.New(slog.DiscardHandler)}).Serve(ctx, ln) })
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /v1/snapshot HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("before the controller runs: %d bytes, %v; want no answer yet", n, err)
	}
	serving.Go(func() { k.Run(ctx) })
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	if b, err := io.ReadAll(conn); err != nil || !strings.Contains(string(b), `"mode":"observe"`) {
		t.Errorf("once it runs: %s, %v; want \"mode\":\"observe\"", b, err)
	}
}

func TestTheControlSocket(t *testing.T) {
	k := newDesk(&diary{data: map[string][]byte{}}, "b")
	defer k.stop()
	path := socketPath(t)
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { (&Control{k.Controller, oneToken{}, slog.New(slog.DiscardHandler)}).Serve(ctx, ln) })
	defer serving.Wait()
	defer cancel()
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "another controller serves it") {
		t.Errorf("a second Listen = %v", err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/v1/snapshot", "", 200, `"mode":"observe"`},
		{"POST", "/v1/abort", "", 409, `"error":`},
		{"POST", "/v1/arm", "", 200, `{"mode":"armed"}`},
		{"POST", "/v1/arm", "", 409, `{"error":"already so: the mode is armed"}`},
		{"POST", "/v1/token", `{"node":"node02"}`, 200, `{"token":"lwt1-x"}`},
		{"POST", "/v1/token", `{"node":"bad name"}`, 400, `{"error":"node name \"bad name\": no"}`},
		{"POST", "/v1/token", `{`, 400, `{"error":"read the request:`},
		{"GET", "/v1/arm", "", 405, ""},
	} {
		req, err := http.NewRequest(c.method, "http://control"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status || !strings.Contains(string(body), c.want) {
			t.Errorf("%s %s %s: %d %s; want %d with %s", c.method, c.path, c.body, resp.StatusCode, body, c.status, c.want)
		}
	}
}
