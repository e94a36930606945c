"""Why a call doesn't connect: evidence that people have, what it shows, and what to do next."""
