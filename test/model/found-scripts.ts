/** Scripts that went wrong once, cut down: what the model found in the product. */
import { parseScript, type Script } from './script.js';

export const foundScripts: Readonly<Record<string, Script>> = {
  'a symbolic link that moves keeps its time in the base': parseScript(`
    {"do":"create","at":{"folder":1,"name":"d"},"node":8,"kind":"file","mode":1060,"mtimeNs":"1237093811775922171","bytes":0,"salt":878558}
    {"do":"create","at":{"folder":1,"name":"e"},"node":12,"kind":"symlink","mode":1301,"mtimeNs":"350658240200868493","bytes":0,"salt":324416}
    {"do":"sync","salt":469930,"frameBytes":200000,"troubles":[],"then":"same"}
    {"do":"swap","a":{"folder":1,"name":"d"},"b":{"folder":1,"name":"e"}}
    {"do":"sync","salt":909506,"frameBytes":200000,"troubles":[],"then":"same"}`),
  'a folder keeps its time when a file in it is written anew': parseScript(`
    {"do":"create","at":{"folder":1,"name":"c"},"node":10,"kind":"folder","mode":2941,"mtimeNs":"-1370166955446068767","bytes":0,"salt":181069}
    {"do":"create","at":{"folder":10,"name":"a"},"node":14,"kind":"folder","mode":3098,"mtimeNs":"1413328763763903624","bytes":0,"salt":204368}
    {"do":"create","at":{"folder":14,"name":"d"},"node":16,"kind":"file","mode":3826,"mtimeNs":"154612045271518997","bytes":0,"salt":381514}
    {"do":"sync","salt":348156,"frameBytes":200000,"troubles":[],"then":"same"}
    {"do":"resize","node":16,"bytes":11867,"mtimeNs":"612893278065375831"}
    {"do":"sync","salt":173765,"frameBytes":200000,"troubles":[],"then":"other"}`),
  'times of a small sync are flushed before its point': parseScript(`
    {"do":"create","at":{"folder":1,"name":"a"},"node":12,"kind":"symlink","mode":3784,"mtimeNs":"-1603062068850746110","bytes":0,"salt":273259}
    {"do":"create","at":{"folder":1,"name":"b"},"node":21,"kind":"folder","mode":748,"mtimeNs":"1898120423854288280","bytes":0,"salt":53166}
    {"do":"sync","salt":860945,"frameBytes":200000,"troubles":[{"how":"power","kept":"none","salt":1,"name":"unlink intent","nth":1}],"then":"other"}`),
  'a clean-up that meets a full disk is done again': parseScript(`
    {"do":"create","at":{"folder":1,"name":"b"},"node":7,"kind":"symlink","mode":2403,"mtimeNs":"1382461737897907215","bytes":0,"salt":592680}
    {"do":"sync","salt":79864,"frameBytes":200000,"troubles":[],"then":"same"}
    {"do":"create","at":{"folder":1,"name":"b"},"node":8,"kind":"file","mode":2155,"mtimeNs":"671437685162231458","bytes":5000,"salt":145529,"instead":true}
    {"do":"sync","salt":591261,"frameBytes":200000,"troubles":[{"how":"full","name":"mkdir intent","nth":2}],"then":"same"}`),
  'a dropped sync that a full disk cut short while it was put aside goes with the next point':
    parseScript(`
    {"do":"create","at":{"folder":1,"name":"b"},"node":2,"kind":"file","mode":3186,"mtimeNs":"1779450451743260792","bytes":5000,"salt":453338}
    {"do":"sync","salt":632141,"frameBytes":200000,"troubles":[{"how":"power","kept":"bytes","salt":146,"name":"create new","nth":1},{"how":"full","name":"rename new to leftover","nth":1}],"then":"other"}
    {"do":"sync","salt":868864,"frameBytes":200000,"troubles":[],"then":"same"}`),
  'a block that was longer in an earlier round, then zero, is zero when its file grows again':
    parseScript(`
    {"do":"create","at":{"folder":1,"name":"e"},"node":8,"kind":"file","mode":791,"mtimeNs":"167787873440799878","bytes":5000,"salt":812813}
    {"do":"round"}
    {"do":"resize","node":8,"bytes":4868,"mtimeNs":"434210694385063988"}
    {"do":"round"}
    {"do":"write","node":8,"at":0,"bytes":65536,"salt":0,"mtimeNs":"668693149294339858"}
    {"do":"resize","node":8,"bytes":182212,"mtimeNs":"1437371816063144718"}
    {"do":"sync","salt":52726,"frameBytes":200000,"troubles":[],"then":"same"}`),
  'a folder that a reader found at a path while names moved is not taken for another afterwards':
    parseScript(`
    {"do":"create","at":{"folder":1,"name":"e"},"node":3,"kind":"folder","mode":3412,"mtimeNs":"393315510815025588","bytes":0,"salt":61932}
    {"do":"create","at":{"folder":3,"name":"d"},"node":4,"kind":"folder","mode":3882,"mtimeNs":"1870712437779842089","bytes":0,"salt":970381}
    {"do":"create","at":{"folder":1,"name":"a"},"node":5,"kind":"file","mode":1385,"mtimeNs":"503469637544901921","bytes":5000,"salt":546856}
    {"do":"swap","a":{"folder":3,"name":"d"},"b":{"folder":1,"name":"a"}}
    {"do":"move","from":{"folder":1,"name":"a"},"to":{"folder":3,"name":"a"}}
    {"do":"create","at":{"folder":1,"name":"b"},"node":9,"kind":"file","mode":3133,"mtimeNs":"1906482210364016101","bytes":5000,"salt":441099}
    {"do":"swap","a":{"folder":1,"name":"b"},"b":{"folder":3,"name":"a"}}
    {"do":"create","at":{"folder":4,"name":"b"},"node":13,"kind":"file","mode":503,"mtimeNs":"1777172659201356065","bytes":5000,"salt":682324}
    {"do":"sync","salt":257223,"frameBytes":200000,"troubles":[],"then":"other"}
    {"do":"swap","a":{"folder":1,"name":"b"},"b":{"folder":1,"name":"e"}}
    {"do":"write","node":13,"at":0,"bytes":9000,"salt":928976,"mtimeNs":"-1815238898995240019"}
    {"do":"sync","salt":879862,"frameBytes":200000,"troubles":[{"how":"full","name":"rename new to base","nth":1}],"then":"same"}`),
  'a writer whose opening failed does nothing any more beside the next one': parseScript(`
    {"do":"create","at":{"folder":1,"name":"a"},"node":4,"kind":"folder","mode":167,"mtimeNs":"1557243065092712113","bytes":0,"salt":762080}
    {"do":"create","at":{"folder":1,"name":"f"},"node":8,"kind":"folder","mode":1782,"mtimeNs":"409757429773054743","bytes":0,"salt":43842}
    {"do":"create","at":{"folder":8,"name":"b"},"node":11,"kind":"file","mode":2809,"mtimeNs":"455850548098316529","bytes":5000,"salt":415170}
    {"do":"sync","salt":595495,"frameBytes":200000,"troubles":[{"how":"power","kept":"names","salt":559,"name":"times base","nth":3},{"how":"power","kept":"all","salt":449,"name":"commit index.db","nth":5}],"then":"same"}
    {"do":"remove","at":{"folder":1,"name":"f"}}
    {"do":"sync","salt":953086,"frameBytes":200000,"troubles":[{"how":"full","name":"rename base to park","nth":1}],"then":"other"}`),
  'a file in a folder that is parked is read while the disk is full': parseScript(`
    {"do":"create","at":{"folder":1,"name":"b"},"node":18,"kind":"folder","mode":1394,"mtimeNs":"224646026044608321","bytes":0,"salt":936964}
    {"do":"create","at":{"folder":18,"name":"b"},"node":19,"kind":"file","mode":3789,"mtimeNs":"1614726325219148928","bytes":5000,"salt":372065}
    {"do":"sync","salt":919359,"frameBytes":200000,"troubles":[],"then":"same"}
    {"do":"move","from":{"folder":1,"name":"b"},"to":{"folder":1,"name":"f"}}
    {"do":"create","at":{"folder":1,"name":"c"},"node":24,"kind":"file","mode":535,"mtimeNs":"-1274316711847090785","bytes":0,"salt":288662}
    {"do":"sync","salt":165413,"frameBytes":200000,"troubles":[{"how":"full","name":"rename new to base","nth":1}],"then":"same"}`),
  'a block that a file had only at a pruned point is not missed by a scrub at the points before':
    parseScript(`
    {"do":"create","at":{"folder":1,"name":"e"},"node":6,"kind":"file","mode":93,"mtimeNs":"1319114154763960403","bytes":5000,"salt":490830}
    {"do":"sync","salt":993882,"frameBytes":200000,"troubles":[],"then":"other"}
    {"do":"sync","salt":322029,"frameBytes":200000,"troubles":[],"then":"other"}
    {"do":"resize","node":6,"bytes":111785,"mtimeNs":"29900599011045852"}
    {"do":"sync","salt":512384,"frameBytes":200000,"troubles":[],"then":"same"}
    {"do":"resize","node":6,"bytes":105178,"mtimeNs":"1834677018628801203"}
    {"do":"sync","salt":204807,"frameBytes":200000,"troubles":[],"then":"same"}
    {"do":"prune","keep":[1,2],"troubles":[]}`),
};
