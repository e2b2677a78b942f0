package all_test

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/all"
	"lastwatt/drivers/drivertest"
)

func TestNamesAreThereOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range all.Kinds() {
		if k.Name == "" || k.New == nil || seen[k.Name] {
			t.Errorf("kind %q is incomplete or there twice", k.Name)
		}
		seen[k.Name] = true
	}
}

func TestSimulatedUPSKeepsADriversPromises(t *testing.T) {
	k, err := drivers.Find(all.Kinds(), "sim")
	if err != nil {
		t.Fatal(err)
	}
	drivertest.Run(t, func(t *testing.T) drivertest.Rig {
		d, err := k.New(func(any) error { return nil }, drivers.Options{
			Name: "ups", Log: slog.New(slog.DiscardHandler), Now: time.Now, After: time.After,
		})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		return drivertest.Rig{Driver: d}
	})
}
