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
	all   []drivers.Drive
	asked time.Time
	wear  map[string]*drivers.Percent
	worn  time.Time // when wear was asked for
}

// read is what the NVMe drives say; trouble is told of a log that cannot be read.
func (d *drives) read(f files, smart Drives, now time.Time, trouble func(string, error) error) []drivers.Drive {
	if !d.asked.IsZero() && now.Sub(d.asked) < drivesEvery {
		return d.all
	}
	d.asked = now
	wear := d.worn.IsZero() || now.Sub(d.worn) >= wearEvery
	if wear {
		d.worn, d.wear = now, map[string]*drivers.Percent{}
	}
	d.all = nil
	chips := named(f.hwmons(), "nvme")
	for _, name := range nvmes(f) {
		drive := drivers.Drive{Name: name}
		for _, h := range chips {
			if milli, ok := f.number(h.dir, "temp1_input"); ok && h.device == name {
				drive.Temperature = new(drivers.Celsius(milli / 1000))
			}
		}
		if wear {
			log, err := smart.SmartLog(name)
			var s Smart
			if err == nil {
				s, err = ParseSmart(log)
			}
			if errors.Is(err, drivers.ErrNoDevice) {
				// A container without the file of the drive: its temperature is enough.
			} else if trouble("drive "+name, err) == nil {
				d.wear[name] = &s.Used
				if drive.Temperature == nil {
					drive.Temperature = &s.Temperature
				}
			}
		}
		drive.Wear = d.wear[name]
		if drive.Temperature != nil || drive.Wear != nil {
			d.all = append(d.all, drive)
		}
	}
	return d.all
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
