"""The Recorder: training loops outside memgate write memgate's log."""
