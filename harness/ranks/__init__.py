"""Many ranks: the same steps on processes that torchrun started, timed together and written down once."""
