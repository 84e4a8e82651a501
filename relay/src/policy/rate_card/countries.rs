//! The countries there are, by their ISO 3166-1 alpha-2 codes, to catch slips such as `UK`.

use plico_protocol::ticket::Zone;

/// Whether the code is assigned.
pub(super) fn is_assigned(zone: Zone) -> bool {
    all().any(|assigned| assigned == zone)
}

/// Every assigned code, in alphabetical order.
pub(super) fn all() -> impl Iterator<Item = Zone> {
    let letters = ASSIGNED.split_ascii_whitespace().map(str::as_bytes);
    letters.filter_map(|code| Zone::new(code.try_into().ok()?))
}

/// What somebody who wrote an unassigned code probably meant.
pub(super) fn meant(zone: Zone) -> Option<&'static str> {
    match zone.as_bytes() {
        b"UK" => Some("GB"),
        b"EL" => Some("GR"),
        b"EN" => Some("GB"),
        _ => None,
    }
}

/// ISO 3166-1, the 249 codes assigned in 2026.
const ASSIGNED: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ \
    BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR \
    CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR \
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU \
    ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ \
    LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ \
    MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF \
    PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI \
    SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR \
    TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_there_once_in_order() {
        let all: Vec<Zone> = all().collect();
        assert_eq!(all.len(), 249);
        assert!(all.is_sorted_by(|a, b| a < b));
        assert!(is_assigned(Zone::new(*b"FR").unwrap()));
        assert!(!is_assigned(Zone::UNKNOWN));
        assert!(meant(Zone::new(*b"UK").unwrap()).is_some());
    }
}
