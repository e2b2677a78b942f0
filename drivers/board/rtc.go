package board

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lastwatt/drivers"
)

// clockFiles are the files of one clock of /sys/class/rtc.
type clockFiles interface {
	Read(name string) (string, error)
	Write(name, text string) error
}

// An RTC is a clock that can start the machine. Its methods may be called from one
// goroutine at a time.
type RTC struct {
	// Name is what the kernel calls it, such as "rpi-rtc soc:rpi_rtc".
	Name  string
	files clockFiles
}

// shortestAlarm leaves the machine time to be off when the alarm comes: an alarm
// that rings before is gone.
const shortestAlarm = 30 * time.Second

// alarmSlack is how far the alarm that is read back may be from the one asked for:
// the clock counts in seconds and goes on between the two.
const alarmSlack = 2

// FindRTC finds the clock below root that can start this machine. On a Raspberry Pi
// that is the Pi 5's own alone: a clock on a HAT keeps the time, but its alarm
// reaches nothing. The error wraps [drivers.ErrNoDevice].
func FindRTC(root string) (*RTC, error) {
	f := files{root: root}
	model, _ := f.text("proc/device-tree/model")
	clocks, _ := filepath.Glob(filepath.Join(root, "sys/class/rtc/rtc*"))
	for _, dir := range clocks {
		name, _ := files{root: dir}.text("name")
		if !(files{root: dir}).has("wakealarm") || isPi(model) && !strings.HasPrefix(name, "rpi-rtc") && !strings.HasPrefix(name, "rpi_rtc") {
			continue
		}
		return &RTC{Name: name, files: clockDir(dir)}, nil
	}
	return nil, fmt.Errorf("%w: no clock that can start this machine is in %s", drivers.ErrNoDevice, filepath.Join(root, "sys/class/rtc"))
}

// SetAlarm arms the clock to start the machine after so long, in place of what was
// armed, and reads back that it is.
func (r *RTC) SetAlarm(after time.Duration) error {
	seconds := int64(after.Round(time.Second) / time.Second)
	if after < shortestAlarm {
		return fmt.Errorf("set the alarm of %s: want %v or more (got %v): the machine must be off when it rings", r.Name, shortestAlarm, after)
	}
	// An armed clock refuses another alarm (Linux, drivers/rtc/sysfs.c).
	if err := r.ClearAlarm(); err != nil {
		return err
	}
	if err := r.files.Write("wakealarm", fmt.Sprintf("+%d", seconds)); err != nil {
		return fmt.Errorf("set the alarm of %s: %w", r.Name, err)
	}
	now, err := r.seconds("since_epoch")
	if err != nil {
		return err
	}
	at, err := r.seconds("wakealarm")
	if err != nil {
		return fmt.Errorf("the alarm of %s was set, but does not read back: %w", r.Name, err)
	}
	if off := at - (now + seconds); off < -alarmSlack || off > alarmSlack {
		return fmt.Errorf("the alarm of %s was set to %v from now, and reads back as %v", r.Name, after, time.Duration(at-now)*time.Second)
	}
	return nil
}

// ClearAlarm disarms the clock, if it is armed, and reads back that it is not.
func (r *RTC) ClearAlarm() error {
	armed, err := r.files.Read("wakealarm")
	if err != nil {
		return fmt.Errorf("read the alarm of %s: %w", r.Name, err)
	}
	if armed == "" {
		return nil
	}
	if err := r.files.Write("wakealarm", "0"); err != nil {
		return fmt.Errorf("clear the alarm of %s: %w", r.Name, err)
	}
	if armed, err = r.files.Read("wakealarm"); err != nil || armed != "" {
		return fmt.Errorf("clear the alarm of %s: it still reads %q (%v)", r.Name, armed, err)
	}
	return nil
}

// Alarm is when the alarm rings, from now; armed is false where none is set.
func (r *RTC) Alarm() (after time.Duration, armed bool, err error) {
	text, err := r.files.Read("wakealarm")
	if err != nil || text == "" {
		return 0, false, err
	}
	at, err := r.seconds("wakealarm")
	if err != nil {
		return 0, false, err
	}
	now, err := r.seconds("since_epoch")
	return time.Duration(at-now) * time.Second, err == nil, err
}

func (r *RTC) seconds(name string) (int64, error) {
	text, err := r.files.Read(name)
	if err != nil {
		return 0, fmt.Errorf("read %s of %s: %w", name, r.Name, err)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read %s of %s: %q is no number of seconds", name, r.Name, text)
	}
	return n, nil
}

// clockDir is the folder of a clock in sysfs.
type clockDir string

// Read implements clockFiles.
func (d clockDir) Read(name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(string(d), name))
	return strings.TrimSpace(string(data)), err
}

// Write implements clockFiles: sysfs takes one write, and makes no files.
func (d clockDir) Write(name, text string) error {
	file, err := os.OpenFile(filepath.Join(string(d), name), os.O_WRONLY|os.O_TRUNC, 0)
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: %w; it needs root (the agent's service has it)", drivers.ErrPermission, err)
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}
