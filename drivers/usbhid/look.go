package usbhid

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/usbhid/hid"
)

// hear takes an input report. One that changes what is believed of mains is
// confirmed and reported at once; any other waits for the next poll.
func (s *session) hear(f frame) error {
	if !s.took(f) {
		return s.lost
	}
	if s.changed() {
		if s.heard != nil {
			s.heard.Add(1)
		}
		return s.tell()
	}
	s.edges = 0
	return nil
}

// overhear takes an input report that comes while an answer is waited for, which
// may be for seconds on a device that hangs. A change of mains cannot be
// confirmed by asking then; a second report that says the same is as good.
func (s *session) overhear(f frame) {
	switch {
	case !s.took(f):
	case !s.changed():
		s.edges = 0
	default:
		if s.edges++; s.edges > 1 {
			s.publish()
		}
	}
}

// took puts an input report into the snapshot; false if it says nothing.
func (s *session) took(f frame) bool {
	switch {
	case errors.Is(f.err, errGone):
		s.lost = fmt.Errorf("listen to %v: %w", s.info, f.err)
		return false
	case f.err != nil:
		s.log.Info("UPS sends no events; polls go on", "device", s.info.String(), "reason", f.err)
		return false
	}
	k := hid.Key{Type: hid.Input}
	if s.model.descriptor.IDs && len(f.wire) > 0 {
		k.ID = f.wire[0]
	}
	// An event that cannot be read says nothing; the poll will.
	return s.model.descriptor.Report(k) != nil && s.model.take(&s.snapshot, k, f.wire, time.Now()) == nil
}

// ask does one transfer, and hears what the device says meanwhile.
func (s *session) ask(transfer func() (int, error)) (int, error) {
	if s.transfers == nil {
		return transfer()
	}
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	s.transfers <- func() {
		n, err := transfer()
		done <- result{n, err}
	}
	for {
		select {
		case r := <-done:
			return r.n, r.err
		case f := <-s.frames:
			s.overhear(f)
		}
	}
}

// maxMute is how many polls in a row may go without a word before the device is
// as good as unplugged.
const maxMute = 3

// watch is one poll.
func (s *session) watch() error {
	err := s.look()
	if s.mute++; err != nil || s.answered {
		s.mute = 0
	}
	if s.mute == maxMute {
		return fmt.Errorf("poll %v: %w", s.info, errNoReport)
	}
	return err
}

// look reads the status and reports it.
func (s *session) look() error {
	s.answered = false
	for _, r := range s.model.features(deciding()...) {
		err := s.read(r)
		if errors.Is(err, errGone) {
			return err
		}
		s.answered = s.answered || err == nil
		if errors.Is(err, errTimeout) {
			break
		}
		if s.changed() { // seen now, or overheard while this report was waited for
			if err := s.tell(); err != nil {
				return err
			}
		}
	}
	return s.tell()
}

// changed says whether the device now seems to say something else of mains than
// what is believed.
func (s *session) changed() bool {
	now := s.snapshot.onBattery()
	was := s.believed != nil && *s.believed
	return now != nil && *now != was
}

// tell reports the snapshot. A change of mains is read a second time first, and
// dropped if the second reading does not agree.
func (s *session) tell() error {
	if s.changed() {
		if err := s.confirm(); err != nil {
			return err
		}
	}
	s.publish()
	return nil
}

// confirm reads again what mains is judged by. ACPresent = 0 decides alone; with
// the others there may be more to read. A device that does not answer does not
// contradict its own event. The error of confirm is that the device is gone.
func (s *session) confirm() error {
	read := map[hid.Key]bool{}
	for _, q := range []quantity{acPresent, discharging, inputVoltage} {
		f := s.model.feature[q]
		if f == nil || read[f.Report] {
			continue
		}
		if q != acPresent && s.snapshot.samples[acPresent].ok && !s.snapshot.is(acPresent) {
			return nil
		}
		read[f.Report] = true
		r := s.model.descriptor.Report(f.Report)
		wire, err := s.get(r)
		if errors.Is(err, errGone) {
			return err
		}
		payload, bad := s.model.descriptor.Payload(r.Key, wire)
		if err != nil || bad != nil || len(payload) < r.Bytes() {
			return nil // no answer: what was told, also meanwhile, stands
		}
		_ = s.model.take(&s.snapshot, r.Key, wire, time.Now()) // its errors were looked for
	}
	return nil
}

// publish reports the snapshot, once it is whole.
func (s *session) publish() {
	if !s.walked {
		return // half a reading would look as if the device lacked the rest
	}
	s.edges = 0
	if now := s.snapshot.onBattery(); now != nil {
		if s.believed == nil || *now != *s.believed {
			s.log.Info("UPS says of mains", "device", s.info.String(), "on_battery", *now)
		}
		s.believed = now
	}
	at := time.Now()
	s.report(drivers.Reading{At: at, Fact: s.snapshot.ups(at)})
}

func (s *session) beginWalk() {
	s.queue, s.failed = s.model.features(), 0
}

// step reads the next report of a walk; the last one ends it with a reading.
func (s *session) step() error {
	r := s.queue[0]
	s.queue = s.queue[1:]
	err := s.read(r)
	switch {
	case errors.Is(err, errGone):
		return err
	case errors.Is(err, errTimeout):
		// The others would time out too, 5 s each.
		for _, rest := range s.queue {
			s.forget(rest, time.Now())
		}
		s.queue = nil
	case err != nil:
		s.failed++
	}
	if len(s.queue) > 0 {
		return nil
	}
	if n := len(s.model.features()); s.failed == n {
		return fmt.Errorf("read %v: %w: %w", s.info, errNoReport, err)
	}
	s.learnTexts()
	s.walked = true
	return s.tell()
}

// forget makes what a report holds absent, but for what the device has told by
// itself since.
func (s *session) forget(r *hid.Report, since time.Time) {
	for q, f := range s.model.feature {
		if f != nil && f.Report == r.Key && !s.snapshot.samples[q].at.After(since) {
			s.snapshot.samples[q].ok = false
		}
	}
}

// read gets a feature report into the snapshot. What cannot be read is absent.
func (s *session) read(r *hid.Report) error {
	began := time.Now()
	wire, err := s.get(r)
	if err != nil {
		s.forget(r, began)
		return fmt.Errorf("read %v of %v: %w", r.Key, s.info, err)
	}
	return s.model.take(&s.snapshot, r.Key, wire, time.Now())
}

// hubTells is how long the kernel may take to learn from a hub that a device was
// unplugged: hubs are asked every 256 ms (USB 2.0, section 11.12.1).
const hubTells = 256 * time.Millisecond

// get reads a feature report, twice if the first try is refused: single reads
// fail on some devices. After a transfer that broke off the second try waits
// until the kernel knows whether the device is still there: hidraw cannot let
// go of a device as long as a request to it is under way.
func (s *session) get(r *hid.Report) ([]byte, error) {
	buf := make([]byte, r.Bytes()+1)
	feature := func() (int, error) { return s.device.Feature(r.ID, buf) }
	n, err := s.ask(feature)
	switch {
	case errors.Is(err, errWire):
		n, err = s.ask(func() (int, error) {
			time.Sleep(hubTells)
			return feature()
		})
	case err != nil && !errors.Is(err, errGone) && !errors.Is(err, errTimeout):
		n, err = s.ask(feature)
	}
	if err != nil {
		return nil, err
	}
	declared := r.Bytes()
	if s.model.descriptor.IDs {
		declared++
	}
	return buf[:min(n, declared)], nil
}

// learnTexts reads the USB strings that the snapshot points to, each once.
func (s *session) learnTexts() {
	for _, q := range texts() {
		i, ok := s.snapshot.index(q)
		if _, known := s.snapshot.texts[i]; known || !ok {
			continue
		}
		var text string
		// A string that cannot be read is not asked for again.
		_, _ = s.ask(func() (n int, err error) {
			text, err = s.device.Text(i)
			return len(text), err
		})
		s.snapshot.texts[i] = text
	}
}

// readAll walks the device once, for a caller without run.
func (s *session) readAll(ctx context.Context) (drivers.UPS, error) {
	rs := s.model.features()
	failed := 0
	var last error
	for _, r := range rs {
		if err := ctx.Err(); err != nil {
			return drivers.UPS{}, err
		}
		err := s.read(r)
		if errors.Is(err, errGone) || errors.Is(err, errTimeout) {
			return drivers.UPS{}, err
		}
		if err != nil {
			failed, last = failed+1, err
		}
	}
	if failed == len(rs) {
		return drivers.UPS{}, fmt.Errorf("read %v: %w: %w", s.info, errNoReport, last)
	}
	s.learnTexts()
	return s.snapshot.ups(time.Now()), nil
}
