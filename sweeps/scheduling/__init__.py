"""Ray Tune schedules packs: one trial of Tune is one pack."""
