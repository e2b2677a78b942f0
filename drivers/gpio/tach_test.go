package gpio

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lastwatt/drivers"
)

// A spinner makes the edges of a fan, and gives them to a tach.
type spinner struct {
	tach   *tach
	now    time.Duration
	seq    uint32
	random *rand.Rand
	lose   float64 // the part of the edges that is lost after the kernel counted them
	skew   float64 // how unevenly the magnets sit, as a part of the period
	jitter time.Duration
	odd    bool
	turned time.Duration // when it made its last edge
	most   int           // edges that may be lost in a row; 0 is any number
	missed int           // that were lost in a row
}

func newSpinner(r tachRules) *spinner {
	return &spinner{tach: newTach(r, time.Hour), now: time.Hour, random: rand.New(rand.NewPCG(1, 2))}
}

func (s *spinner) edge(at time.Duration) {
	s.seq++
	if s.random.Float64() >= s.lose || s.most > 0 && s.missed == s.most {
		s.tach.edge(at, s.seq)
		s.missed = 0
		return
	}
	s.missed++
}

// spin turns at a speed for so long.
func (s *spinner) spin(speed float64, long time.Duration) {
	end := s.now + long
	for {
		gap := float64(s.tach.period(speed))
		if s.odd = !s.odd; s.odd {
			gap *= 1 + s.skew
		} else {
			gap *= 1 - s.skew
		}
		next := max(s.turned+time.Duration(gap), s.now)
		if next > end {
			s.now = end
			return
		}
		s.now, s.turned = next, next
		s.edge(s.now + time.Duration(s.random.Float64()*float64(s.jitter)))
	}
}

// burst is noise: so many edges, so far apart.
func (s *spinner) burst(edges int, apart time.Duration) {
	for range edges {
		s.now += apart
		s.edge(s.now)
	}
}

func usualFan() tachRules {
	return tachRules{pulses: 2, min: 300, max: 3000, spinUp: 5 * time.Second}
}

func TestSpeedIsRightFromSlowToFast(t *testing.T) {
	for _, pulses := range []int{1, 2, 4} {
		for _, speed := range []float64{30, 60, 300, 1000, 3000, 5000, 10000} {
			for _, lose := range []float64{0, 0.05, 0.3} {
				t.Run(fmt.Sprintf("%d pulses, %g rpm, %g lost", pulses, speed, lose), func(t *testing.T) {
					s := newSpinner(tachRules{pulses: pulses, min: 20, max: 10000, spinUp: time.Second})
					s.lose, s.jitter = lose, 100*time.Microsecond
					s.spin(speed, 30*time.Second)
					f := s.tach.fan(s.now)
					want := 0.002 * speed
					if lose > 0 && speed < 100 {
						want = speed // too few edges: only the state is certain
					}
					if f.State != drivers.FanRunning || math.Abs(rpm(f)-speed) > want {
						t.Errorf("%v at %.1f rpm, want running at %g", f.State, rpm(f), speed)
					}
					if lose == 0 && (f.Lost != 0 || f.Rejected != 0) {
						t.Errorf("lost %d, rejected %d, and there was nothing of it", f.Lost, f.Rejected)
					}
					if edges := float64(s.seq); lose > 0 && edges > 100 && math.Abs(float64(f.Lost)-lose*edges) > 0.1*edges {
						t.Errorf("lost %d of %g edges, want about %g", f.Lost, edges, lose*edges)
					}
				})
			}
		}
	}
}

func TestNoiseIsRejectedAndCounted(t *testing.T) {
	for _, tt := range []struct {
		name     string
		noise    func(s *spinner)
		rejected uint64 // least
	}{
		{"a burst of fast edges", func(s *spinner) { s.burst(40, 200*time.Microsecond) }, 39},
		{"a burst that is longer than a period", func(s *spinner) { s.burst(15, 3*time.Millisecond) }, 8},
		{"one edge in the middle of a period", func(s *spinner) { s.burst(1, 15*time.Millisecond) }, 1},
		{"one edge late in a period", func(s *spinner) { s.burst(1, 24*time.Millisecond) }, 1},
		{"one edge early in a period", func(s *spinner) { s.burst(1, 10*time.Millisecond) }, 1},
		{"ringing after every edge", func(s *spinner) {
			for range 60 {
				s.now += 30 * time.Millisecond
				s.edge(s.now)
				s.edge(s.now + 50*time.Microsecond)
				s.edge(s.now + 90*time.Microsecond)
			}
		}, 120},
		{"a burst that was mostly lost", func(s *spinner) {
			s.lose = 0.9
			s.burst(200, 100*time.Microsecond)
			s.lose = 0
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSpinner(usualFan())
			s.spin(1000, 4800*time.Millisecond)
			s.now = s.turned
			tt.noise(s)
			s.spin(1000, 500*time.Millisecond)
			f := s.tach.fan(s.now)
			if f.State != drivers.FanRunning || math.Abs(rpm(f)-1000) > 20 {
				t.Errorf("%v at %.1f rpm, want running at 1000", f.State, rpm(f))
			}
			if f.Rejected < tt.rejected {
				t.Errorf("rejected %d, want %d or more", f.Rejected, tt.rejected)
			}
			before := f.Rejected
			if f = s.tach.fan(s.now + time.Millisecond); f.Rejected != before {
				t.Errorf("rejected %d, and %d when asked again", before, f.Rejected)
			}
		})
	}
}

func TestUnevenMagnetsAreNoNoise(t *testing.T) {
	s := newSpinner(usualFan())
	s.skew = 0.2
	s.spin(2900, 10*time.Second)
	if f := s.tach.fan(s.now); f.State != drivers.FanRunning || math.Abs(rpm(f)-2900) > 29 || f.Rejected != 0 {
		t.Errorf("%v at %.1f rpm, rejected %d, want running at 2900, 0", f.State, rpm(f), f.Rejected)
	}
}

func TestAFanFarAboveItsGreatestSpeedIsUnknownAndNotHalfAsFast(t *testing.T) {
	s := newSpinner(usualFan())
	s.spin(6000, 10*time.Second)
	if f := s.tach.fan(s.now); f.State != drivers.FanUnknown || f.RPM != nil {
		t.Errorf("%v at %.1f rpm, want unknown without a speed", f.State, rpm(f))
	}
}

func TestStatesOfAFan(t *testing.T) {
	s := newSpinner(usualFan())
	step := func(what string, state drivers.FanState, low, high float64) {
		t.Helper()
		f := s.tach.fan(s.now)
		if f.State != state || rpm(f) < low || rpm(f) > high {
			t.Errorf("%s: %v at %.1f rpm, want %v at %g to %g", what, f.State, rpm(f), state, low, high)
		}
	}
	step("nothing heard yet", drivers.FanUnknown, -1, -1)
	s.now += 4900 * time.Millisecond
	step("in the spin-up grace", drivers.FanUnknown, -1, -1)
	s.now += 200 * time.Millisecond
	step("never started", drivers.FanStalled, 0, 0)
	s.spin(310, 3*time.Second)
	step("hardly above the least speed", drivers.FanStalled, 305, 315)
	s.spin(1200, 3*time.Second)
	step("started", drivers.FanRunning, 1195, 1205)
	s.now += time.Second
	step("silent for 1 s", drivers.FanRunning, 20, 40)
	s.now += 1100 * time.Millisecond
	step("silent for the window", drivers.FanStalled, 0, 0)
	s.spin(1200, 3*time.Second)
	step("started again", drivers.FanRunning, 1195, 1205)
	s.spin(200, 5*time.Second)
	step("slower than the least speed", drivers.FanStalled, 195, 205)
	s.tach.power(false, s.now)
	step("switched off", drivers.FanOff, 0, 205)
	s.now += 10 * time.Second
	step("off for long", drivers.FanOff, 0, 0)
	s.tach.power(true, s.now)
	step("switched on", drivers.FanUnknown, -1, -1)
	s.now += 4 * time.Second
	step("still spinning up", drivers.FanUnknown, -1, -1)
	s.now += 2 * time.Second
	step("did not start", drivers.FanStalled, 0, 0)
	s.burst(50, 200*time.Microsecond)
	step("one burst of noise turns no fan", drivers.FanStalled, 0, 100)
}

func TestAFanThatSpinsUpFastIsNotHeldToItsOldSpeed(t *testing.T) {
	s := newSpinner(usualFan())
	s.spin(400, 10*time.Second)
	s.spin(2800, 2500*time.Millisecond)
	if f := s.tach.fan(s.now); math.Abs(rpm(f)-2800) > 28 {
		t.Errorf("%.1f rpm, want 2800", rpm(f))
	}
	s.spin(400, 5*time.Second)
	s.spin(2800, time.Second)
	if f := s.tach.fan(s.now); f.Rejected > 4 || math.Abs(rpm(f)-1600) > 50 {
		t.Errorf("%.1f rpm, rejected %d, want the mean of 400 and 2800 and hardly any", rpm(f), f.Rejected)
	}
}

func TestAnEdgeThatIsToldTwiceCountsOnce(t *testing.T) {
	s := newSpinner(usualFan())
	s.spin(1000, 5*time.Second)
	s.tach.edge(s.now, s.seq)
	s.tach.edge(s.now-time.Second, s.seq-3)
	s.spin(1000, time.Second)
	if f := s.tach.fan(s.now); math.Abs(rpm(f)-1000) > 2 || f.Lost != 0 {
		t.Errorf("%.1f rpm, lost %d, want 1000, 0", rpm(f), f.Lost)
	}
}

func TestTheNumbersOfEdgesMayWrap(t *testing.T) {
	s := newSpinner(usualFan())
	s.seq, s.tach.seq = math.MaxUint32-50, math.MaxUint32-50
	s.spin(1000, 10*time.Second)
	if f := s.tach.fan(s.now); math.Abs(rpm(f)-1000) > 2 || f.Lost != 0 {
		t.Errorf("%.1f rpm, lost %d, want 1000, 0", rpm(f), f.Lost)
	}
}

// A steady fan's speed is right within 2 %, whatever is lost and whatever noise
// there is; the last edge may be noise, and noise that was lost may count as
// pulses.
func TestASteadyFanIsReadRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := tachRules{
			pulses: rapid.SampledFrom([]int{1, 2, 4}).Draw(t, "pulses"),
			min:    300, max: 10000, spinUp: 5 * time.Second,
		}
		speed := rapid.Float64Range(600, 10000).Draw(t, "speed")
		s := newSpinner(r)
		s.random = rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		s.lose = rapid.SampledFrom([]float64{0, 0.05, 0.2}).Draw(t, "lost")
		s.jitter, s.most = 100*time.Microsecond, 3
		most := 0.02 * speed
		for range 4 {
			s.spin(speed, time.Second)
			if rapid.Bool().Draw(t, "burst") {
				s.burst(rapid.IntRange(1, 10).Draw(t, "edges"), time.Duration(rapid.IntRange(20, 150).Draw(t, "apart"))*time.Microsecond)
				most += r.rpm(1, 2*r.window()) + r.rpm(3, r.window())*min(1, 100*s.lose)
			}
		}
		s.spin(speed, 100*time.Millisecond)
		f := s.tach.fan(s.now)
		if f.State != drivers.FanRunning || math.Abs(rpm(f)-speed) > most {
			t.Fatalf("%v at %.1f rpm, want running at %.1f", f.State, rpm(f), speed)
		}
	})
}

// Edges at any times and with any numbers give no speed beyond the limits and no
// count that runs backwards.
func TestNoEdgesMakeNonsense(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := usualFan()
		tach := newTach(r, 0)
		var now time.Duration
		var seq uint32
		var before drivers.Fan
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += time.Duration(rapid.Int64Range(0, int64(50*time.Millisecond)).Draw(t, "wait"))
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				tach.power(rapid.Bool().Draw(t, "power"), now)
			case 1:
				f := tach.fan(now)
				if f.RPM != nil && !(*f.RPM >= 0 && *f.RPM <= r.max/tooSoon+1) {
					t.Fatalf("%v rpm", *f.RPM)
				}
				if f.State == "" || f.Lost < before.Lost || f.Rejected < before.Rejected {
					t.Fatalf("%+v after %+v", f, before)
				}
				before = f
			default:
				seq += rapid.Uint32Range(0, 20).Draw(t, "numbers")
				tach.edge(now, seq)
			}
		}
	})
}
