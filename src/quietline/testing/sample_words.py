"""The words the fictional chain is made of. Names are joined at random; towns and streets are on no map."""

_FIRST = (
    "Ada Amara Anouk Arlo Asha Beatrix Bram Caspian Chidi Cleo Dara Edda Eliot Esme Farid Fern Gwen Hana Hugo Idris "
    "Imogen Ines Jonah Juno Kaya Keir Lena Linus Maeve Marek Mina Nadia Nell Odin Olwen Oskar Petra Priya Quill Rafi "
    "Rosa Ruben Saskia Sefa Silas Tamsin Tariq Una Vera Wanda Yara Zeno"
)
_LAST = (
    "Ambleforth Appleyarrow Barrowcliff Birchwell Bramblecote Candlemere Cindervale Coppergate Driftwell Duskfield "
    "Elderquay Emberton Fallowmere Fernhollow Foxlantern Gatherwick Glimmerbeck Harrowdene Hazelquist Inkpenny "
    "Juniperley Kestrelby Lanternby Larchmont-Fay Marlowick Merrowdale Mossgrave Nettlecombe Oakquill Otterbourne-Lee "
    "Pebblewick Quillfeather Ravensoar Rowanshaw Saltmarrow Sorrelby Tanglewick Thistledane Umberlow Vellacott-Hay "
    "Wetherquill Winterbeam Yarrowby"
)
FIRST_NAMES = tuple(_FIRST.split())
LAST_NAMES = tuple(_LAST.split())
TOWNS = (
    ("Tidewick", "QT"),
    ("Oldharrow", "VH"),
    ("Fennimouth", "XF"),
    ("Marrowby-on-Sea", "QM"),
    ("Upper Glimmer", "VG"),
    ("Saltwhistle", "XS"),
)
STREETS = (
    "Lantern Row",
    "Cooper's Yard",
    "Nowhere Lane",
    "Fishglue Hill",
    "Candlemaker Street",
    "Harebell Close",
    "Old Ropewalk",
    "Penny Farthing Way",
    "Quince Avenue",
    "Teasel Court",
)
GOODS = (  # name, pence
    ("Wool throw, slate", 4_800),
    ("Reading lamp, brass", 6_450),
    ("Linen cushion cover", 1_995),
    ("Stoneware mug, moss", 1_250),
    ("Oak stool", 8_900),
    ("Cotton bath sheet", 2_600),
    ("Enamel kettle, cream", 3_975),
    ("Beeswax candles, box of six", 1_400),
    ("Cast-iron casserole", 11_200),
    ("Jute rug, 120 × 180", 9_750),
    ("Glass carafe", 2_150),
    ("Wall clock, ash", 5_525),
)
STATUSES = ("received", "packed", "on its way", "delivered", "waiting for stock", "return booked", "refunded")
NOTES = (
    "Prefers the parcel left in the porch.",
    "Asked for a call when the kettle is back.",
    "Lift out of order in the building; two people needed for the rug.",
    "Second lamp arrived with a dent; a replacement was promised.",
    "Wants no texts, calls only.",
)
AMERICAN_AREAS = ("202", "312", "415", "617")
