//go:build guest && bench

package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lastwatt/sim"
)

// TestLatency measures how long it takes from the edge of mains in the virtual
// UPS to our event, to NUT's server and to NUT's NOTIFYCMD.
func TestLatency(t *testing.T) {
	for _, transport := range []string{"hidraw", "gousb"} {
		t.Run(transport, func(t *testing.T) { latency(t, transport) })
	}
}

func latency(t *testing.T, transport string) {
	p := newPair(t, transport, "", sim.ReferenceBattery())
	time.Sleep(5 * time.Second)
	for len(p.told) > 0 {
		<-p.told
	}
	var ours, nuts, notifies []time.Duration
	for i := range 20 {
		// Anywhere in NUT's own rhythm of 2 and 5 s.
		time.Sleep(6*time.Second + time.Duration(i)*330*time.Millisecond)
		token, kind := "OB", "ONBATT"
		if i%2 == 1 {
			token, kind = "OL", "ONLINE"
		}
		file := filepath.Join(p.dir, "notify."+kind)
		os.Remove(file)
		from := time.Now()
		p.model.SetMains(i%2 == 1)
		// Whoever asks the server, asks the one processor of this machine,
		// too: not before our event has come.
		ours = append(ours, (<-p.told).Sub(from))
		for time.Since(from) < 20*time.Second && !slices.Contains(strings.Fields(p.nuts("ups.status")), token) {
			time.Sleep(5 * time.Millisecond)
		}
		nuts = append(nuts, time.Since(from))
		for time.Since(from) < 20*time.Second {
			if data, err := os.ReadFile(file); err == nil {
				var at float64
				fmt.Sscan(string(data), &at)
				notifies = append(notifies, time.Duration((at-float64(from.UnixNano())/1e9)*1e9))
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	for _, row := range []struct {
		who string
		all []time.Duration
	}{{"our event", ours}, {"the change in upsd", nuts}, {"NUT's NOTIFYCMD", notifies}} {
		slices.Sort(row.all)
		n := len(row.all)
		if n == 0 {
			t.Errorf("%s: never", row.who)
			continue
		}
		t.Logf("latency | %s | %s | %d | %s | %s | %s |", transport, row.who, n, ms(row.all[n/2]), ms(row.all[(n*95+99)/100-1]), ms(row.all[n-1]))
	}
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
