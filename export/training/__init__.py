"""What all trainers share: the job, the loop, the clips, the run folder."""
