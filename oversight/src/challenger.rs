//! Samples settled tasks and replays them.
