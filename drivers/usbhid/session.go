package usbhid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/usbhid/hid"
)

// A session is one open device, from its opening to its loss. All of it belongs
// to the goroutine of run.
type session struct {
	device device
	info   Info
	model  *model
	log    *slog.Logger
	report func(drivers.Reading)
	poll   time.Duration

	snapshot snapshot
	// believed is the last judgement that stood; nil before the first.
	believed *bool
	queue    []*hid.Report // still to read in this walk
	walked   bool          // the first walk is done
	failed   int           // reports of this walk that could not be read
	answered bool          // the last look got a report
	mute     int           // polls in a row that got none

	orders chan order
	ended  chan struct{} // closed when run returns
	always chan struct{} // closed
}

// open finds the device, opens it and reads its descriptor. The caller closes
// the session's device, or calls run, which does.
func open(ctx context.Context, b bus, m Match) (*session, error) {
	i, err := choose(b, m)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d, err := b.Open(i)
	if err != nil {
		return nil, fmt.Errorf("open %v: %w", i, err)
	}
	return newSession(d, i)
}

// newSession takes d over: it closes d if it fails.
func newSession(d device, i Info) (*session, error) {
	data, err := d.Descriptor()
	if err == nil {
		var m *model
		if m, err = newModel(data); err == nil {
			s := &session{
				device: d, info: i, model: m, log: slog.New(slog.DiscardHandler), report: func(drivers.Reading) {},
				orders: make(chan order), ended: make(chan struct{}), always: make(chan struct{}),
			}
			close(s.always)
			return s, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("read the descriptor of %v: %w", i, err), d.Close())
}

// deciding are the quantities that on battery, and the time that is left, are
// judged by; their reports are read in every poll.
func deciding() []quantity {
	return []quantity{acPresent, discharging, charging, belowLimit, test, inputVoltage, charge, runtime}
}

// A frame is an input report, or why there are no more.
type frame struct {
	wire []byte
	err  error
}

// run reads the device until ctx is done or the device is lost, and closes it.
func (s *session) run(ctx context.Context) (err error) {
	frames := make(chan frame)
	listening, stop := context.WithCancel(ctx)
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		s.listen(listening, frames)
	}()
	defer func() {
		close(s.ended)
		stop()
		<-heard
		s.device.Close()
	}()
	s.log.Info("UPS opened", "device", s.info.String(), "transport", s.info.Transport)
	poll, walk := time.NewTicker(s.poll), time.NewTicker(walkEvery)
	defer poll.Stop()
	defer walk.Stop()
	s.beginWalk()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case f := <-frames:
			err = s.hear(f)
		case <-poll.C:
			err = s.watch()
		case o := <-s.orders:
			err = s.obey(o)
		case <-walk.C:
			s.beginWalk()
		case <-s.more():
			err = s.step()
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return ctx.Err()
}

// more is ready while a walk is not done.
func (s *session) more() <-chan struct{} {
	if len(s.queue) == 0 {
		return nil
	}
	return s.always
}

// listen passes input reports on until the first error.
func (s *session) listen(ctx context.Context, frames chan<- frame) {
	buf := make([]byte, s.model.inputBytes())
	for {
		n, err := s.device.Input(ctx, buf)
		if ctx.Err() != nil {
			return
		}
		f := frame{err: err}
		if err == nil {
			f.wire = append([]byte{}, buf[:n]...)
		}
		select {
		case frames <- f:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// hear takes an input report. One that changes what is believed of mains is
// confirmed and reported at once; any other waits for the next poll.
func (s *session) hear(f frame) error {
	switch {
	case errors.Is(f.err, errGone):
		return fmt.Errorf("listen to %v: %w", s.info, f.err)
	case f.err != nil:
		s.log.Info("UPS sends no events; polls go on", "device", s.info.String(), "reason", f.err)
		return nil
	}
	k := hid.Key{Type: hid.Input}
	if s.model.descriptor.IDs && len(f.wire) > 0 {
		k.ID = f.wire[0]
	}
	if s.model.descriptor.Report(k) == nil {
		return nil
	}
	if err := s.model.take(&s.snapshot, k, f.wire); err != nil {
		return nil // an event that cannot be read says nothing; the poll will
	}
	if s.changed() {
		return s.tell()
	}
	return nil
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
		for _, r := range s.model.features(acPresent, discharging, inputVoltage) {
			if err := s.read(r); errors.Is(err, errGone) {
				return err
			} else if err != nil {
				break // the sample is absent now: no evidence, no change
			}
		}
	}
	if !s.walked {
		return nil // half a reading would look as if the device lacked the rest
	}
	if now := s.snapshot.onBattery(); now != nil {
		if s.believed == nil || *now != *s.believed {
			s.log.Info("UPS says of mains", "device", s.info.String(), "on_battery", *now)
		}
		s.believed = now
	}
	s.report(drivers.Reading{At: time.Now(), Fact: s.snapshot.ups(s.info)})
	return nil
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
			s.forget(rest)
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

func (s *session) forget(r *hid.Report) { _ = s.model.take(&s.snapshot, r.Key, nil) }

// read gets a feature report into the snapshot. What cannot be read is absent.
func (s *session) read(r *hid.Report) error {
	wire, err := s.get(r)
	if err != nil {
		s.forget(r)
		return fmt.Errorf("read %v of %v: %w", r.Key, s.info, err)
	}
	return s.model.take(&s.snapshot, r.Key, wire)
}

// get reads a feature report, twice if the first try is refused: single reads
// fail on some devices.
func (s *session) get(r *hid.Report) ([]byte, error) {
	buf := make([]byte, r.Bytes()+1)
	n, err := s.device.Feature(r.ID, buf)
	if err != nil && !errors.Is(err, errGone) && !errors.Is(err, errTimeout) {
		n, err = s.device.Feature(r.ID, buf)
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
	if s.snapshot.texts == nil {
		s.snapshot.texts = map[uint8]string{}
	}
	for _, q := range []quantity{batteryType, firmware, maker, product} {
		r := s.snapshot.samples[q]
		if !r.ok || r.raw < 1 || r.raw > 255 {
			continue
		}
		i := uint8(r.raw)
		if _, known := s.snapshot.texts[i]; known {
			continue
		}
		// A string that cannot be read is not asked for again.
		s.snapshot.texts[i], _ = s.device.Text(i)
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
	return s.snapshot.ups(s.info), nil
}
