package board

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// files is the system's tree below a root.
type files struct {
	root string
	// seen are the chips of each class that was looked at, until forget; where
	// it is nil, each look is a new one. A look at all chips is ten calls of the
	// kernel for each, and more.
	seen map[string][]chip
}

// forget has chips be looked for anew: they come, go, and change their numbers.
func (f files) forget() { clear(f.seen) }

// text is a file's text without the NULs of the device tree and the line's end;
// ok is false where it cannot be read.
func (f files) text(path ...string) (text string, ok bool) {
	data, err := os.ReadFile(filepath.Join(f.root, filepath.Join(path...)))
	return strings.Trim(string(data), "\x00\n "), err == nil
}

// number is a file's decimal number.
func (f files) number(path ...string) (n float64, ok bool) {
	text, ok := f.text(path...)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}

// has is whether there is such a file.
func (f files) has(path ...string) bool {
	_, err := os.Stat(filepath.Join(f.root, filepath.Join(path...)))
	return err == nil
}

// cell is the first big-endian cell of a property of the device tree.
func (f files) cell(path ...string) (value uint32, ok bool) {
	data, err := os.ReadFile(filepath.Join(f.root, filepath.Join(path...)))
	if err != nil || len(data) < 4 {
		return 0, false
	}
	return uint32(data[0])<<24 | uint32(data[1])<<16 | uint32(data[2])<<8 | uint32(data[3]), true
}

// A chip is one device of hwmon, IIO or pwm. The kernel numbers these as it
// finds them, so that the number of today is another's tomorrow: a chip is known
// by its name and by the device it is a part of.
type chip struct {
	// dir is where its files are, below the root.
	dir string
	// name is what the driver calls it: cpu_thermal, pwmfan, ina219.
	name string
	// device is the last part of the device's path: cooling_fan, 1-0040 (an I2C
	// bus and address), nvme0.
	device string
}

// hwmons are the hwmon chips, by device.
func (f files) hwmons() []chip { return f.chips("sys/class/hwmon", "hwmon") }

// iios are the chips of the IIO subsystem, by device.
func (f files) iios() []chip { return f.chips("sys/bus/iio/devices", "iio:device") }

// pwms are the PWM chips, by device; they have no names.
func (f files) pwms() []chip { return f.chips("sys/class/pwm", "pwmchip") }

func (f files) chips(class, prefix string) []chip {
	all, known := f.seen[class]
	if !known {
		all = f.look(class, prefix)
		if f.seen != nil {
			f.seen[class] = all
		}
	}
	return all
}

func (f files) look(class, prefix string) []chip {
	entries, err := os.ReadDir(filepath.Join(f.root, class))
	if err != nil {
		return nil
	}
	var all []chip
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		c := chip{dir: filepath.Join(class, e.Name())}
		c.name, _ = f.text(c.dir, "name")
		// .../cooling_fan/hwmon/hwmon3, .../thermal_zone0/hwmon0, .../1-0048/iio:device0
		if real, err := filepath.EvalSymlinks(filepath.Join(f.root, c.dir)); err == nil {
			parent := filepath.Dir(real)
			if base := filepath.Base(parent); base == "hwmon" || base == "pwm" {
				parent = filepath.Dir(parent)
			}
			c.device = filepath.Base(parent)
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b chip) int { return strings.Compare(a.device+"/"+a.dir, b.device+"/"+b.dir) })
	return all
}

// named are the chips of that name.
func named(all []chip, name string) []chip {
	return slices.DeleteFunc(slices.Clone(all), func(c chip) bool { return c.name != name })
}
