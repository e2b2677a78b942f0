package board

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lastwatt/drivers"
)

// drives keeps what the drives said last: they are asked less often than the rest.
type drives struct {
	all    []drivers.Drive
	asked  time.Time
	logs   map[string]Smart
	logged time.Time // when the logs were asked for
}

// read is what the NVMe drives say; trouble is told of a log that cannot be read.
func (d *drives) read(f files, smart Drives, now time.Time, trouble func(string, error) error) []drivers.Drive {
	if !d.asked.IsZero() && now.Sub(d.asked) < drivesEvery {
		return d.all
	}
	d.asked = now
	names := nvmes(f)
	if d.logged.IsZero() || now.Sub(d.logged) >= wearEvery {
		d.logged, d.logs = now, logsOf(names, smart, trouble)
	}
	d.all = nil
	chips := named(f.hwmons(), "nvme")
	for _, name := range names {
		drive := drivers.Drive{Name: name}
		if log, ok := d.logs[name]; ok {
			drive.Temperature, drive.Wear, drive.Failing = &log.Temperature, &log.Used, log.Failing
		}
		for _, h := range chips {
			if milli, ok := f.number(h.dir, "temp1_input"); ok && h.device == name {
				drive.Temperature = new(drivers.Celsius(milli / 1000)) // the newer one
			}
		}
		if drive.Temperature != nil {
			d.all = append(d.all, drive)
		}
	}
	return d.all
}

// logsOf are the logs of the drives that have one.
func logsOf(names []string, smart Drives, trouble func(string, error) error) map[string]Smart {
	logs := map[string]Smart{}
	for _, name := range names {
		log, err := smart.SmartLog(name)
		var s Smart
		if err == nil {
			s, err = ParseSmart(log)
		}
		if errors.Is(err, drivers.ErrNoDevice) {
			continue // a container without the file of the drive: its temperature is enough
		}
		if trouble("drive "+name, err) == nil {
			logs[name] = s
		}
	}
	return logs
}

// nvmes are the kernel's names of the NVMe drives.
func nvmes(f files) []string {
	entries, err := os.ReadDir(filepath.Join(f.root, "sys/class/nvme"))
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "nvme") {
			names = append(names, e.Name())
		}
	}
	return names
}
