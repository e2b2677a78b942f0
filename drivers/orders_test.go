package drivers

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// opened takes one order and does what the test says with it.
func opened(o *Orders, take func(Order)) (shut func()) {
	orders, shut := o.Open()
	go func() { take(<-orders) }()
	return shut
}

func TestAnOrderIsAnsweredByWhoHasTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o Orders
		defer opened(&o, func(got Order) { got.Reply(Answer{Delay: 2 * got.Delay}, errors.New(string(got.Name))) })()
		a, err := o.Do(t.Context(), Command{Name: ShutdownReturn, Delay: time.Minute})
		if a.Delay != 2*time.Minute || fmt.Sprint(err) != "shutdown.return" {
			t.Errorf("Do = %v, %v", a, err)
		}
	})
}

func TestAnAnswerThatComesAsTheDeviceIsLostIsTaken(t *testing.T) {
	for range 100 { // what a select chooses is chance
		synctest.Test(t, func(t *testing.T) {
			var o Orders
			orders, shut := o.Open()
			go func() {
				got := <-orders
				got.Reply(Answer{Delay: time.Minute}, nil)
				shut()
			}()
			if a, err := o.Do(t.Context(), Command{Name: ShutdownReturn, Delay: time.Minute}); err != nil || a.Delay != time.Minute {
				t.Fatalf("Do = %v, %v: the cut is armed, and nobody is told", a, err)
			}
		})
	}
}

func TestAnAnswerThatComesAsTheTimeIsOverIsTaken(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			var o Orders
			ctx, cancel := context.WithCancel(t.Context())
			defer opened(&o, func(got Order) {
				got.Reply(Answer{Delay: time.Minute}, nil)
				cancel()
			})()
			if a, err := o.Do(ctx, Command{Name: ShutdownReturn, Delay: time.Minute}); err != nil || a.Delay != time.Minute {
				t.Fatalf("Do = %v, %v", a, err)
			}
		})
	}
}

func TestAnOrderThatNobodyAnswersEnds(t *testing.T) {
	mute := Command{Name: BeeperMute}
	for _, c := range []struct {
		name string
		do   func(t *testing.T, o *Orders, ctx context.Context) error
		is   error
		text string
	}{
		{"a device that is not open", func(_ *testing.T, o *Orders, ctx context.Context) error {
			_, err := o.Do(ctx, mute)
			return err
		}, ErrNotRunning, `order "beeper.mute": the device is not open`},
		{"a device that was closed", func(_ *testing.T, o *Orders, ctx context.Context) error {
			_, shut := o.Open()
			shut()
			_, err := o.Do(ctx, mute)
			return err
		}, ErrNotRunning, `order "beeper.mute": the device is not open`},
		{"a device that is closed before it is taken", func(_ *testing.T, o *Orders, ctx context.Context) error {
			_, shut := o.Open()
			time.AfterFunc(time.Second, shut)
			_, err := o.Do(ctx, mute)
			return err
		}, ErrNotRunning, `order "beeper.mute": the device is not open`},
		{"its time is over before it is taken", func(_ *testing.T, o *Orders, ctx context.Context) error {
			_, shut := o.Open()
			defer shut()
			_, err := o.Do(ctx, mute)
			return err
		}, context.DeadlineExceeded, `order "beeper.mute": context deadline exceeded`},
		{"its time is over before it is answered", func(_ *testing.T, o *Orders, ctx context.Context) error {
			defer opened(o, func(Order) {})()
			_, err := o.Do(ctx, mute)
			return err
		}, context.DeadlineExceeded, `order "beeper.mute": no answer yet, it may still be carried out: context deadline exceeded`},
		{"a command that is none", func(_ *testing.T, o *Orders, ctx context.Context) error {
			_, shut := o.Open()
			defer shut()
			_, err := o.Do(ctx, Command{Name: "make.coffee"})
			return err
		}, ErrUnsupported, `order "make.coffee": the device does not know this command; want one of ` + fmt.Sprint(CommandNames())},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithTimeout(t.Context(), time.Minute)
				defer stop()
				var o Orders
				if err := c.do(t, &o, ctx); !errors.Is(err, c.is) || err.Error() != c.text {
					t.Errorf("Do = %v\nwant %s", err, c.text)
				}
			})
		})
	}
}
