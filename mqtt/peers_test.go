//go:build peers && linux

package mqtt

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lastwatt/rack"
)

// startMosquitto runs Debian's Mosquitto on addr with one user; kill ends it as
// a power cut does.
func startMosquitto(t *testing.T, addr string) (kill func()) {
	t.Helper()
	passwords := writeFile(t, "passwords", "lastwatt:secret\n")
	if out, err := exec.Command("mosquitto_passwd", "-U", passwords).CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v: %s", err, out)
	}
	host, port, _ := net.SplitHostPort(addr)
	conf := writeFile(t, "mosquitto.conf", fmt.Sprintf("listener %s %s\nallow_anonymous false\npassword_file %s\nuser root\n", port, host, passwords))
	log := &journal{}
	cmd := exec.Command("/usr/sbin/mosquitto", "-c", conf)
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Dir(conf), log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting Mosquitto (apt install mosquitto): %v", err)
	}
	kill = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	t.Cleanup(func() {
		kill()
		if t.Failed() {
			t.Logf("Mosquitto said:\n%s", log)
		}
	})
	eventually(t, "Mosquitto listens", func() bool {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return kill
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestMosquittoHoldsTheSnapshotWhateverHappensToIt(t *testing.T) {
	addr := freeAddr(t)
	cfg := Config{Broker: "tcp://" + addr, User: "lastwatt", PasswordFile: writeFile(t, "password", "secret\n")}
	c, _ := newTestClient(t, cfg)
	c.Publish(emptySnapshot())
	stop := running(t, c.Run) // before there is a broker

	kill := startMosquitto(t, addr)
	awaitShown(t, subscribeAs(t, addr, "lastwatt", "secret"), shown(emptySnapshot(), online))

	kill() // it keeps nothing
	c.Publish(onBatterySnapshot())
	c.Event(rack.Event{Kind: rack.OnBattery})
	startMosquitto(t, addr)
	sub := subscribeAs(t, addr, "lastwatt", "secret")
	awaitShown(t, sub, shown(onBatterySnapshot(), online))

	stop()
	awaitShown(t, sub, shown(onBatterySnapshot(), offline))
}

func TestMosquittoSendsTheLastWill(t *testing.T) {
	addr := freeAddr(t)
	startMosquitto(t, addr)
	sub := subscribeAs(t, addr, "lastwatt", "secret")
	r := startRelay(t, addr)
	c, _ := newTestClient(t, Config{Broker: "tcp://" + r.addr(), User: "lastwatt", PasswordFile: writeFile(t, "password", "secret")})
	c.Publish(emptySnapshot())
	running(t, c.Run)
	awaitShown(t, sub, shown(emptySnapshot(), online))
	said := func(want string) func() bool {
		return func() bool { return strings.Join(sub.payloads(testOptions().topic("status")), " ") == want }
	}
	r.redirect("127.0.0.1:1") // the broker is to notice before the client is back
	r.cut()
	eventually(t, "it is offline", said("online offline"))
	r.redirect(addr)
	eventually(t, "it is online again", said("online offline online"))
}

func TestMosquittoRefusesAWrongPassword(t *testing.T) {
	addr := freeAddr(t)
	startMosquitto(t, addr)
	c, log := newTestClient(t, Config{Broker: "tcp://" + addr, User: "lastwatt", PasswordFile: writeFile(t, "password", "wrong")})
	running(t, c.Run)
	eventually(t, "the refusal is in the log", func() bool {
		return strings.Contains(log.String(), "the broker refuses user or password: check user and password_file")
	})
}
