"""What becomes of the sound of a machine over minutes, days and weeks: a watch that tells changes apart."""
