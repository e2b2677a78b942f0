package usbhid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/usbhid/hid"
)

// A session is one open device, from its opening to its loss. All of it belongs
// to the goroutine of run.
type session struct {
	device  device
	info    Info
	model   *model
	log     *slog.Logger
	report  func(drivers.Reading)
	poll    time.Duration
	profile Profile
	heard   *atomic.Int64 // counts events that changed what is believed; nil: nobody asks

	snapshot  snapshot
	frames    chan frame  // input reports; nil before run
	transfers chan func() // what the device is asked; one at a time
	lost      error       // what a frame said while an answer was waited for
	edges     int         // frames in a row that contradict believed
	// believed is the last judgement that stood; nil before the first.
	believed *bool
	queue    []*hid.Report // still to read in this walk
	walked   bool          // the first walk is done
	failed   int           // reports of this walk that could not be read
	answered bool          // the last look got a report
	mute     int           // polls in a row that got none

	always chan struct{} // closed
}

// newSession takes d over: it closes d if it fails.
func newSession(d device, i Info, scales map[string]float64) (*session, error) {
	data, err := d.Descriptor()
	if err == nil {
		var m *model
		if m, err = newModel(data); err == nil {
			s := &session{
				device: d, info: i, model: m, log: slog.New(slog.DiscardHandler), report: func(drivers.Reading) {}, snapshot: newSnapshot(i, scales),
				always: make(chan struct{}),
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

// run reads the device, and obeys orders, until ctx is done or the device is lost,
// and closes it.
func (s *session) run(ctx context.Context, from *drivers.Orders) (err error) {
	orders, shut := from.Open()
	s.frames, s.transfers = make(chan frame), make(chan func())
	listening, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { s.listen(listening, s.frames) })
	work.Go(func() {
		for transfer := range s.transfers {
			transfer()
		}
	})
	defer func() {
		shut()
		stop()
		close(s.transfers)
		work.Wait()
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
		case f := <-s.frames:
			err = s.hear(f)
		case <-poll.C:
			err = s.watch()
		case o := <-orders:
			err = s.obey(o)
		case <-walk.C:
			s.beginWalk()
		case <-s.more():
			err = s.step()
		}
		if err == nil && s.walked && s.changed() {
			err = s.tell() // it was overheard while an answer was waited for
		}
		if err == nil {
			err = s.lost
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
