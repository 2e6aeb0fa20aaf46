/* SPDX-License-Identifier: MIT */
#include "container/names_data.h"

/* clang-format off */
const char *const name_adjectives[] = {
	"able", "agile", "airy", "amber", "amiable", "ample", "ardent", "artful", "avid",
	"balmy", "bold", "bonny", "brave", "breezy", "bright", "brisk", "bubbly", "calm",
	"candid", "careful", "cheery", "chipper", "civil", "clever", "copper", "cosy", "crisp",
	"curious", "dainty", "dapper", "daring", "dazzling", "deft", "devoted", "diligent",
	"dreamy", "driven", "eager", "earnest", "easy", "elated", "elegant", "epic", "exact",
	"fabled", "fair", "fancy", "fearless", "fervent", "fine", "fleet", "fluent", "fond",
	"frank", "frosty", "gallant", "gentle", "gifted", "glad", "gleaming", "golden",
	"graceful", "grand", "handy", "happy", "hardy", "hearty", "honest", "hopeful", "humble",
	"ideal", "jaunty", "jolly", "jovial", "joyful", "keen", "kind", "lively", "loyal",
	"lucid", "lucky", "mellow", "merry", "mighty", "mindful", "modest", "neat", "nimble",
	"noble", "patient", "peppy", "placid", "plucky", "polite", "prime", "proud", "quick",
	"quiet", "radiant", "ready", "robust", "rosy", "serene", "sharp", "shiny", "silver",
	"sleek", "smart", "snug", "solar", "spry", "stellar", "sturdy", "sunny", "superb",
	"swift", "tender", "thrifty", "tidy", "tranquil", "trusty", "upbeat", "valiant",
	"velvet", "vivid", "warm", "watchful", "wise", "witty", "zany", "zealous", "zesty",
};
const guint name_n_adjectives = G_N_ELEMENTS(name_adjectives);

/* People who found something out: scientists, mathematicians, engineers, programmers. */
const char *const name_surnames[] = {
	"abel", "adams", "ampere", "anning", "apgar", "archimedes", "aristarchus", "arrhenius",
	"avogadro", "babbage", "backus", "bacon", "baird", "banting", "bardeen", "bartik",
	"becquerel", "bell", "bernoulli", "berzelius", "bessel", "bhabha", "bohr", "boole",
	"borlaug", "born", "bose", "boyle", "bragg", "brahe", "brahmagupta", "brattain", "braun",
	"brouwer", "bunsen", "burnell", "cantor", "carnot", "carson", "carver", "cauchy",
	"cavendish", "cayley", "celsius", "cerf", "chadwick", "chandra", "chargaff", "chatelet",
	"chern", "clausius", "codd", "collip", "copernicus", "coriolis", "coulomb", "crick",
	"curie", "cuvier", "dalton", "darwin", "davy", "debye", "dedekind", "descartes",
	"diffie", "dijkstra", "dirac", "doppler", "drake", "dyson", "eckert", "eddington",
	"edison", "ehrlich", "einstein", "elion", "ellis", "engelbart", "eratosthenes", "erdos",
	"euclid", "euler", "fahrenheit", "faraday", "fermat", "fermi", "feynman", "fibonacci",
	"fischer", "fleming", "florey", "floyd", "foucault", "fourier", "franklin", "fraunhofer",
	"frege", "fresnel", "friedman", "gabor", "galilei", "galois", "galvani", "gauss",
	"germain", "gibbs", "goddard", "godel", "goeppert", "goldstine", "golgi", "goodall",
	"gosling", "granville", "gray", "guth", "haber", "hahn", "haldane", "halley", "hamilton",
	"hamming", "hardy", "harvey", "hawking", "heaviside", "heisenberg", "hellman",
	"helmholtz", "henry", "herschel", "hertz", "higgs", "hilbert", "hinton", "hipparchus",
	"hoare", "hodgkin", "holberton", "hollerith", "hooke", "hopper", "hubble", "humboldt",
	"hutton", "huygens", "hypatia", "jacobi", "jacquard", "jemison", "jenner", "johnson",
	"joliot", "joule", "kalam", "kapitsa", "kare", "kay", "keller", "kelvin", "kepler",
	"kernighan", "khayyam", "khorana", "khwarizmi", "kilby", "kirch", "kirchhoff", "klein",
	"knuth", "koch", "kolmogorov", "kovalevskaya", "krebs", "lagrange", "lamarr", "lamport",
	"landau", "landsteiner", "laplace", "lavoisier", "leakey", "leavitt", "leeuwenhoek",
	"legendre", "leibniz", "levi", "linnaeus", "liskov", "lister", "lobachevsky", "lorentz",
	"lovelace", "lumiere", "lyell", "mach", "malpighi", "marconi", "mariotte", "markov",
	"maxwell", "mayer", "mccarthy", "mcclintock", "mcculloch", "meitner", "mendel",
	"mendeleev", "mercator", "michelson", "millikan", "minkowski", "minsky", "mirzakhani",
	"monge", "montalcini", "moore", "moser", "mullis", "napier", "nash", "nernst", "neumann",
	"newell", "newton", "nightingale", "nobel", "noether", "noyce", "oersted", "ohm",
	"oppenheimer", "pascal", "pasteur", "pauli", "pauling", "pavlov", "payne", "pearson",
	"perlman", "planck", "poincare", "poisson", "priestley", "ptolemy", "pythagoras",
	"raman", "ramanujan", "rayleigh", "ride", "riemann", "ritchie", "roentgen", "rubin",
	"russell", "rutherford", "sagan", "salk", "sammet", "sanger", "schawlow", "schrodinger",
	"shamir", "shannon", "shockley", "siemens", "simon", "snell", "snyder", "somerville",
	"spence", "stallman", "steinmetz", "stokes", "sutherland", "swartz", "szilard", "tarjan",
	"tesla", "thales", "thompson", "thomson", "torricelli", "torvalds", "tu", "turing",
	"ulam", "vaughan", "venter", "vesalius", "villani", "volta", "wallace", "watt", "weber",
	"wegener", "weierstrass", "wescoff", "wien", "wiener", "wiles", "wilkes", "wing",
	"wirth", "wozniak", "wright", "wu", "yalow", "yonath", "young", "yukawa", "zeeman",
	"zuse",
};
const guint name_n_surnames = G_N_ELEMENTS(name_surnames);
/* clang-format on */
