import "./arithmetic.js";
import "./movement.js";
import "./reductions.js";
