"""Tells on standard error how far a long run is: one line that is written anew on a terminal, plain lines elsewhere.

It prints no figure.
"""
import shutil
import sys
import time


class Progress:
    """Counts steps that take about as long as each other."""

    def __init__(self, stream=sys.stderr, clock=time.monotonic):
        self.stream = stream
        self.clock = clock
        self.terminal = stream.isatty()
        self.total = self.done = 0
        self.begin = None
        self.shown = False

    def plan(self, steps):
        """From now on there are so many steps."""
        self.total, self.done, self.begin = steps, 0, self.clock()

    def drop(self, steps):
        """So many of the steps will not be made."""
        self.total -= steps

    def say(self, text):
        """A line of its own."""
        self.clear()
        print(text, file=self.stream, flush=True)

    def step(self, text):
        """A step begins: shown on a terminal only."""
        if self.terminal:
            width = shutil.get_terminal_size().columns - 1
            line = f"[{self.done}/{self.total}] {text}{self.left()}"
            print(f"\r\x1b[K{line[:width]}", end="", file=self.stream, flush=True)
            self.shown = True
        self.done += 1

    def stage(self, text):
        """A stage of many steps begins: a line where steps are not shown."""
        if not self.terminal:
            self.say(f"[{self.done}/{self.total}] {text}{self.left()}")

    def clear(self):
        """Takes the line away, so that others can print."""
        if self.shown:
            print("\r\x1b[K", end="", file=self.stream, flush=True)
            self.shown = False

    def left(self):
        """How long the rest will take, once something is known of it."""
        if not self.done or self.begin is None:
            return ""
        seconds = (self.clock() - self.begin) / self.done * max(0, self.total - self.done)
        return f", about {seconds / 60:.0f} min left" if seconds >= 90 else f", about {seconds:.0f} s left"
